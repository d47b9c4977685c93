"""A room's sound on a local output, for the people at the server."""

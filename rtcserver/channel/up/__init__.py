"""From a performer to the server: what they play. PROTOCOL.md, "Up"."""

"""From the server to everyone: what is played in a room. PROTOCOL.md, "Down"."""

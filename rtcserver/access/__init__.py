"""Who may do what in a room: performers' links, and the door that every request passes. Pure."""

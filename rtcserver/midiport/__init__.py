"""The process that owns an instrument's MIDI ports, its messages, and the server's side of it."""

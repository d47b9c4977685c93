"""MIDI 1.0 itself: messages, byte streams, files, profiles, performers, and how several meet on one instrument."""

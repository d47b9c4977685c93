"""MIDI in both directions: ports, their owners' notes, routing, profiles and files."""

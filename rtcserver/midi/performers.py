"""Performer numbers: who holds a key or moved a wheel, as PROTOCOL.md ("Performer numbers and cells") has them."""

from __future__ import annotations

ROOM = 0
"""The room: what the instrument has once, whoever set it, such as a program."""
LOCAL = 1
"""The person at the instrument's own keys."""
FILE_PLAYER = 2
"""The player of MIDI files."""
FIRST, LAST = 3, 254
"""Performers over the network, from the first to the last number."""

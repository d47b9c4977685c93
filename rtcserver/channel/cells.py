"""Cells: the numbers under which lasting values (keys, pedals, controllers) are kept. PROTOCOL.md, "cells".

Pure arithmetic on MIDI 1.0 channel messages; no state.
"""

from __future__ import annotations

from typing import NamedTuple

ROOM = 0
"""Owner of the values that the instrument has once, whoever set them."""
LOCAL_KEYS = 1
"""The person at the instrument's own keys."""
FILE_PLAYER = 2
"""The player of MIDI files."""
FIRST_PERFORMER = 3
LAST_PERFORMER = 254

PEDALS = frozenset((64, 66, 67, 69))
"""Sustain, sostenuto, soft, hold 2: held by whoever presses them."""
ROOM_CONTROLLERS = frozenset((0, 1, 2, 4, 7, 10, 11, 32, 65))
"""Controllers whose last value the room remembers."""

CONTROLLER = 0x080
PROGRAM = 0x100
BEND = 0x101
PRESSURE = 0x102
BEND_CENTRE = 8192

NOTE_OFF_VELOCITY = 64
"""What a note-on with velocity 0 means as a note-off (MIDI 1.0, "note-on with velocity 0")."""

LAST_KEY = 0xFF_FFFF
"""The largest key, ``performer << 16 | cell``."""

_NOTES_OFF = frozenset((120, 123, 124, 125, 126, 127))


class Write(NamedTuple):
    """What a message writes: `value` into `cell` of `performer`. 0 in an owned cell is a release."""

    performer: int
    cell: int
    value: int


def message_length(status: int) -> int:
    """Bytes of a channel message with this status (0x80–0xEF)."""
    return 2 if 0xC0 <= status <= 0xDF else 3


def is_channel_message(message: bytes) -> bool:
    """Whether these bytes are exactly one channel message."""
    return (
        2 <= len(message) <= 3
        and 0x80 <= message[0] <= 0xEF
        and len(message) == message_length(message[0])
        and max(message[1:]) < 0x80
    )


def note_cell(channel: int, note: int) -> int:
    """The cell of a key. channel: 0–15."""
    return channel << 12 | note


def controller_cell(channel: int, controller: int) -> int:
    """The cell of a controller or pedal."""
    return channel << 12 | CONTROLLER | controller


def owned(cell: int) -> bool:
    """Whether the cell belongs to one performer: a key or a pedal."""
    slot = cell & 0xFFF
    return slot < CONTROLLER or (slot - CONTROLLER) in PEDALS


def is_note(cell: int) -> bool:
    """Whether the cell is a key."""
    return cell & 0xFFF < CONTROLLER


def valid(performer: int, cell: int, value: int) -> bool:
    """Whether a state may hold this."""
    if owned(cell):
        return 1 <= performer <= LAST_PERFORMER and 1 <= value <= 127
    slot = cell & 0xFFF
    if slot == BEND:
        return performer == ROOM and value < 16384
    known = slot in (PROGRAM, PRESSURE) or (slot < PROGRAM and (slot - CONTROLLER) in ROOM_CONTROLLERS)
    return known and performer == ROOM and value <= 127


def write_of(performer: int, message: bytes) -> Write | None:
    """The cell that a message in normal form writes, or None for one that leaves no state."""
    status, channel = message[0] & 0xF0, (message[0] & 0x0F) << 12
    if status == 0x90:
        return Write(performer, channel | message[1], message[2])
    if status == 0x80:
        return Write(performer, channel | message[1], 0)
    if status == 0xB0:
        controller = message[1]
        cell = channel | CONTROLLER | controller
        if controller in PEDALS:
            return Write(performer, cell, message[2])
        return Write(ROOM, cell, message[2]) if controller in ROOM_CONTROLLERS else None
    if status == 0xC0:
        return Write(ROOM, channel | PROGRAM, message[1])
    if status == 0xE0:
        return Write(ROOM, channel | BEND, message[1] | message[2] << 7)
    if status == 0xD0:
        return Write(ROOM, channel | PRESSURE, message[1])
    return None


def message_of(cell: int, value: int) -> bytes:
    """The message that writes `value` into `cell`: the inverse of `write_of`."""
    channel, slot = cell >> 12, cell & 0xFFF
    if slot < CONTROLLER:
        if value == 0:
            return bytes((0x80 | channel, slot, NOTE_OFF_VELOCITY))
        return bytes((0x90 | channel, slot, value))
    if slot < PROGRAM:
        return bytes((0xB0 | channel, slot - CONTROLLER, value))
    if slot == PROGRAM:
        return bytes((0xC0 | channel, value))
    if slot == PRESSURE:
        return bytes((0xD0 | channel, value))
    return bytes((0xE0 | channel, value & 0x7F, value >> 7))


def normal_form(message: bytes, held: dict[int, int]) -> list[bytes]:
    """What goes on the wire for one incoming message, in order; [] if nothing does.

    held: the performer's owned cells and their values; not changed. Applies the rules of PROTOCOL.md:
    velocity 0, channel mode messages, and whatever is not a channel message.
    """
    if not is_channel_message(message):
        return []
    status, channel = message[0] & 0xF0, message[0] & 0x0F
    if status == 0x90 and message[2] == 0:
        return [bytes((0x80 | channel, message[1], NOTE_OFF_VELOCITY))]
    if status != 0xB0 or message[1] < 120:
        return [message]
    mine = sorted(cell for cell in held if cell >> 12 == channel)
    if message[1] in _NOTES_OFF:
        return [message_of(cell, 0) for cell in mine if is_note(cell)]
    if message[1] == 121:
        return [
            *(message_of(cell, 0) for cell in mine if not is_note(cell)),
            bytes((0xE0 | channel, BEND_CENTRE & 0x7F, BEND_CENTRE >> 7)),
            bytes((0xB0 | channel, 1, 0)),
            bytes((0xB0 | channel, 11, 127)),
            bytes((0xD0 | channel, 0)),
        ]
    return []

"""Cells: the numbers under which lasting values (keys, pedals, controllers) are kept. PROTOCOL.md, "cells".

Pure arithmetic on MIDI 1.0 channel messages (`rtcserver.midi.message`); no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind
from rtcserver.midi.performers import FIRST, LAST, ROOM

ROOM_CONTROLLERS = frozenset(
    (
        m.BANK_MSB,
        m.MODULATION,
        m.BREATH,
        m.FOOT,
        m.VOLUME,
        m.PAN,
        m.EXPRESSION,
        m.BANK_LSB,
        m.PORTAMENTO,
    )
)
"""Controllers whose last value the room remembers."""

# Slots of a channel: keys from 0, controllers from CONTROLLER, then what a channel has once.
CONTROLLER = 0x080
PROGRAM = 0x100
BEND = 0x101
PRESSURE = 0x102

LAST_KEY = 0xFF_FFFF
"""The largest key, ``performer << 16 | cell``."""


class Write(NamedTuple):
    """What a message writes: `value` into `cell` of `performer`. 0 in an owned cell is a release."""

    performer: int
    cell: int
    value: int


def is_channel_message(message: bytes) -> bool:
    """Whether these bytes, whatever they are, are exactly one channel message."""
    return m.fault(message) is None and m.is_channel(message)


def note_cell(channel: int, note: int) -> int:
    """The cell of a key. channel: 0–15."""
    return channel << 12 | note


def controller_cell(channel: int, controller: int) -> int:
    """The cell of a controller or pedal."""
    return channel << 12 | CONTROLLER | controller


def owned(cell: int) -> bool:
    """Whether the cell belongs to one performer: a key or a pedal."""
    slot = cell & 0xFFF
    return slot < CONTROLLER or (slot - CONTROLLER) in m.PEDALS


def is_note(cell: int) -> bool:
    """Whether the cell is a key."""
    return cell & 0xFFF < CONTROLLER


def valid(performer: int, cell: int, value: int) -> bool:
    """Whether a state may hold this."""
    if owned(cell):
        return ROOM < performer <= LAST and 1 <= value <= 127
    slot = cell & 0xFFF
    if slot == BEND:
        return performer == ROOM and value < 16384
    known = slot in (PROGRAM, PRESSURE) or (slot < PROGRAM and (slot - CONTROLLER) in ROOM_CONTROLLERS)
    return known and performer == ROOM and value <= 127


def write_of(performer: int, message: bytes) -> Write | None:
    """The cell that a message in normal form writes, or None for one that leaves no state."""
    status, channel = m.status(message), m.channel(message)
    if status == m.NOTE_ON:
        return Write(performer, note_cell(channel, message[1]), message[2])
    if status == m.NOTE_OFF:
        return Write(performer, note_cell(channel, message[1]), 0)
    if status == m.CONTROL:
        cell = controller_cell(channel, message[1])
        if message[1] in m.PEDALS:
            return Write(performer, cell, message[2])
        return Write(ROOM, cell, message[2]) if message[1] in ROOM_CONTROLLERS else None
    if status == m.PROGRAM:
        return Write(ROOM, channel << 12 | PROGRAM, message[1])
    if status == m.PITCH_BEND:
        return Write(ROOM, channel << 12 | BEND, m.bend_value(message))
    if status == m.CHANNEL_PRESSURE:
        return Write(ROOM, channel << 12 | PRESSURE, message[1])
    return None


def message_of(cell: int, value: int) -> bytes:
    """The message that writes `value` into `cell`: the inverse of `write_of`."""
    channel, slot = cell >> 12, cell & 0xFFF
    if slot < CONTROLLER:
        return m.note_on(channel, slot, value) if value else m.note_off(channel, slot)
    if slot < PROGRAM:
        return m.control(channel, slot - CONTROLLER, value)
    if slot == PROGRAM:
        return m.program(channel, value)
    if slot == PRESSURE:
        return m.channel_pressure(channel, value)
    return m.pitch_bend(channel, value)


def held_write(message: bytes) -> tuple[int, int] | None:
    """(cell, value) of a message in normal form about a key or pedal; None for any other. Value 0 lets go."""
    write = write_of(FIRST, message)
    return (write.cell, write.value) if write is not None and owned(write.cell) else None


def releases(held: Mapping[int, int]) -> list[bytes]:
    """The messages that end all the owned cells of `held`: keys first, then pedals."""
    ordered = sorted((not is_note(cell), cell) for cell in held if owned(cell))
    return [message_of(cell, 0) for _, cell in ordered]


def normal_form(message: bytes, held: Mapping[int, int]) -> list[bytes]:
    """What goes on the wire for one incoming message, in order; [] if nothing does.

    held: the performer's owned cells and their values; not changed. Applies the rules of PROTOCOL.md:
    velocity 0, channel mode messages, and whatever is not a channel message.
    """
    if not is_channel_message(message):
        return []
    kind, channel = m.classify(message), m.channel(message)
    if kind is MessageKind.NOTE_OFF and m.status(message) == m.NOTE_ON:
        return [m.note_off(channel, message[1])]
    if kind is not MessageKind.MODE:
        return [message]
    if message[1] == m.LOCAL_CONTROL:
        return []
    mine = {cell: value for cell, value in held.items() if cell >> 12 == channel}
    if message[1] != m.RESET_CONTROLLERS:
        return releases({cell: value for cell, value in mine.items() if is_note(cell)})
    return [
        *releases({cell: value for cell, value in mine.items() if not is_note(cell)}),
        m.pitch_bend(channel, m.BEND_CENTRE),
        m.control(channel, m.MODULATION, m.NEUTRAL[m.MODULATION]),
        m.control(channel, m.EXPRESSION, m.NEUTRAL[m.EXPRESSION]),
        m.channel_pressure(channel, 0),
    ]

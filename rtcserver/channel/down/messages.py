"""The messages that a server sends on the ``midi`` channel, as bytes. Layouts are drawn in PROTOCOL.md.

Pure. `unpack_down` raises `ProtocolError` and nothing else, whatever it is given; ``pack()`` of what it returns
gives the same bytes again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.wire import (
    VERSION,
    ProtocolError,
    channel_message,
    check_safe,
    checked,
    expect,
    padded,
)
from rtcserver.midi import performers

KIND_NOTES = 1
KIND_REPLY = 2
MAX_NOTES_EVENTS = 96
_NOTES = struct.Struct(">BBBBIq")
_NOTE = struct.Struct(">iBBBB")
_ROW = struct.Struct(">i4s")
_RANGE = struct.Struct(">BHBHH")
_CELL = struct.Struct(">BHH")
_REPLY = struct.Struct(">BBBBIqqI")
_FLAG_STATE = 1
_FLAG_PERFORMER = 1


class NoteEvent(NamedTuple):
    """One event as all see it. `message`: a channel message of 2–3 bytes. `media_time`: 48 kHz samples."""

    performer: int
    message: bytes
    media_time: int


class OwnedCell(NamedTuple):
    """One cell of the state; see `rtcserver.channel.cells`."""

    performer: int
    cell: int
    value: int


@dataclass(frozen=True, slots=True)
class StatePart:
    """All cells whose key lies in `first`–`last` (inclusive), ascending by key."""

    first: int
    last: int
    cells: tuple[OwnedCell, ...] = ()


@dataclass(frozen=True, slots=True)
class Notes:
    """Down: the last events and, now and then, a part of the state after event `newest`.

    newest: number of the last of `events`, u32. media_time: the room's, when this was packed.
    """

    newest: int
    media_time: int
    events: tuple[NoteEvent, ...] = ()
    state: StatePart | None = None

    def pack(self) -> bytes:
        """The message. Raises `ProtocolError` if a value does not fit."""
        rows = [
            (media_time - self.media_time, note_row(performer, message))
            for performer, message, media_time in self.events
        ]
        return _checked_down(pack_notes(self.newest, self.media_time, rows, self.state))


@dataclass(frozen=True, slots=True)
class Reply:
    """Down, to one session: the answer to a ping or play.

    epoch, acked: of a performer, else 0. client_us: echoed. media_time: now.
    held_us: between arrival and reply.
    """

    performer: bool
    epoch: int
    acked: int
    client_us: int
    media_time: int
    held_us: int = 0

    def pack(self) -> bytes:
        """The message. Raises `ProtocolError` if a value does not fit."""
        try:
            out = _REPLY.pack(
                VERSION,
                KIND_REPLY,
                _FLAG_PERFORMER if self.performer else 0,
                self.epoch,
                self.acked,
                self.client_us,
                self.media_time,
                self.held_us,
            )
        except struct.error as error:
            raise ProtocolError(f"a value does not fit: {error}") from None
        return _checked_down(out)


def note_row(performer: int, message: bytes) -> bytes:
    """An event without its time, for `pack_notes`: packed once, sent often. Raises `ProtocolError`."""
    if not performers.ROOM < performer <= performers.LAST:
        raise ProtocolError("an event of nobody")
    return bytes((performer,)) + padded(message)


def pack_notes(
    newest: int, media_time: int, rows: Sequence[tuple[int, bytes]], state: StatePart | None
) -> bytes:
    """A `notes` message of rows: (media time less this one's, `note_row`). Checks no more than that they fit.

    Raises `ProtocolError` if a number does not fit.
    """
    try:
        out = [_NOTES.pack(VERSION, KIND_NOTES, state is not None, len(rows), newest, media_time)]
        out.extend([_ROW.pack(delta, row) for delta, row in rows])
        if state is not None:
            first, last = state.first, state.last
            out.append(_RANGE.pack(first >> 16, first & 0xFFFF, last >> 16, last & 0xFFFF, len(state.cells)))
            out.extend([_CELL.pack(*cell) for cell in state.cells])
    except struct.error as error:
        raise ProtocolError(f"a value does not fit: {error}") from None
    return b"".join(out)


def unpack_down(message: bytes | str) -> Notes | Reply:
    """Parse what a server sends. Raises `ProtocolError`."""
    data = checked(message)
    kind = data[1]
    if kind == KIND_NOTES:
        return _unpack_notes(data)
    if kind == KIND_REPLY:
        return _unpack_reply(data)
    raise ProtocolError(f"kind {kind} is not one that a server sends", code="unknown_kind")


def _unpack_notes(data: bytes) -> Notes:
    expect(len(data) >= _NOTES.size, "the header is cut short")
    _, _, flags, count, newest, base = _NOTES.unpack_from(data)
    expect(flags & ~_FLAG_STATE == 0, "reserved flags are set")
    expect(count <= MAX_NOTES_EVENTS, "too many events")
    check_safe(base, "media time")
    at = _NOTES.size + count * _NOTE.size
    expect(len(data) >= at, "the events are cut short")
    events = []
    for delta, performer, *raw in _NOTE.iter_unpack(data[_NOTES.size : at]):
        expect(performers.ROOM < performer <= performers.LAST, "an event of nobody")
        check_safe(base + delta, "media time")
        events.append(NoteEvent(performer, channel_message(raw), base + delta))
    state = None
    if flags & _FLAG_STATE:
        state = _unpack_state(data, at)
    else:
        expect(len(data) == at, "bytes after the end")
    return Notes(newest, base, tuple(events), state)


def _unpack_state(data: bytes, at: int) -> StatePart:
    expect(len(data) >= at + _RANGE.size, "the state is cut short")
    first_performer, first_cell, last_performer, last_cell, count = _RANGE.unpack_from(data, at)
    at += _RANGE.size
    first, last = first_performer << 16 | first_cell, last_performer << 16 | last_cell
    expect(first <= last, "the range ends before it begins")
    expect(len(data) == at + count * _CELL.size, "the cells do not fill the message")
    found = []
    before = first - 1
    for performer, cell, value in _CELL.iter_unpack(data[at:]):
        key = performer << 16 | cell
        expect(before < key <= last, "a cell is out of order or range")
        expect(cells.valid(performer, cell, value), "a cell that cannot be")
        found.append(OwnedCell(performer, cell, value))
        before = key
    return StatePart(first, last, tuple(found))


def _unpack_reply(data: bytes) -> Reply:
    expect(len(data) == _REPLY.size, "a reply of the wrong length")
    _, _, flags, epoch, acked, client_us, media_time, held_us = _REPLY.unpack(data)
    expect(flags & ~_FLAG_PERFORMER == 0, "reserved flags are set")
    performer = bool(flags & _FLAG_PERFORMER)
    expect(performer or (epoch == 0 and acked == 0), "an acknowledgement for a listener")
    check_safe(client_us, "client time")
    check_safe(media_time, "media time")
    return Reply(performer, epoch, acked, client_us, media_time, held_us)


def _checked_down(message: bytes) -> bytes:
    """Hold what is packed to the rules of what is unpacked: our mistakes show here, not at a client."""
    unpack_down(message)
    return message

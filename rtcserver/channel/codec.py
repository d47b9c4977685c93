"""The bytes of the ``midi`` channel. Layouts are drawn in PROTOCOL.md.

Pure. `unpack_up` and `unpack_down` raise `ProtocolError` and nothing else, whatever they are given;
``pack()`` of what they return gives the same bytes again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.errors import RtcServerError
from rtcserver.midi import message as m
from rtcserver.midi import performers

VERSION = 1
KIND_NOTES = 1
KIND_REPLY = 2
KIND_PLAY = 17
KIND_PING = 18

MAX_MESSAGE = 1100
"""Bytes of the largest message; with SCTP, DTLS, UDP and IP headers it stays below 1,200."""
MAX_NOTES_EVENTS = 96
MAX_PLAY_EVENTS = 64
MAX_HELD = 128
SAFE = (1 << 53) - 1
"""The largest integer that a JavaScript number holds exactly."""

PANIC = b"\xff\x00"
"""In `play`: release all that this performer holds."""
PANIC_ALL = b"\xff\x01"
"""In `play`: silence everyone."""

_NOTES = struct.Struct(">BBBBIq")
_NOTE = struct.Struct(">iBBBB")
_ROW = struct.Struct(">i4s")
_RANGE = struct.Struct(">BHBHH")
_CELL = struct.Struct(">BHH")
_REPLY = struct.Struct(">BBBBIqqI")
_PLAY = struct.Struct(">BBBBIqBBH")
_PLAYED = struct.Struct(">IBBBB")
_HELD = struct.Struct(">HB")
_PING = struct.Struct(">BBHq")

_FLAG_STATE = 1
_FLAG_PERFORMER = 1
_FLAG_FIRST = 1
_FLAG_HELD = 2
_U32 = 0xFFFF_FFFF


class ProtocolError(RtcServerError):
    """A message that is none of ours, or breaks a rule of PROTOCOL.md. `code` is stable for programs.

    of: type of the JSON message that it is about, where that is known.
    """

    def __init__(self, message: str, *, code: str = "malformed") -> None:
        super().__init__(message)
        self.code = code
        self.of: str | None = None


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


class PlayEvent(NamedTuple):
    """One event of a performer. `age_us`: between the event and the sending of this message."""

    message: bytes
    age_us: int


@dataclass(frozen=True, slots=True)
class Play:
    """Up: a performer's events, and what he holds after them.

    newest: number of the last event (or of the last one ever, without events).
    first: `events` begins with the oldest one that is not acknowledged.
    held: (cell, value) ascending, or None in all but the last message of a batch.
    """

    epoch: int
    newest: int
    client_us: int
    events: tuple[PlayEvent, ...] = ()
    held: tuple[tuple[int, int], ...] | None = None
    first: bool = True

    def pack(self) -> bytes:
        """The message. Raises `ProtocolError` if a value does not fit."""
        flags = (_FLAG_FIRST if self.first else 0) | (0 if self.held is None else _FLAG_HELD)
        held = self.held or ()
        try:
            out = [
                _PLAY.pack(
                    VERSION,
                    KIND_PLAY,
                    flags,
                    self.epoch,
                    self.newest,
                    self.client_us,
                    len(self.events),
                    len(held),
                    0,
                )
            ]
            out.extend(_PLAYED.pack(age_us, *_padded(message), 0) for message, age_us in self.events)
            out.extend(_HELD.pack(cell, value) for cell, value in held)
        except struct.error as error:
            raise ProtocolError(f"a value does not fit: {error}") from None
        message = b"".join(out)
        unpack_up(message)
        return message


@dataclass(frozen=True, slots=True)
class Ping:
    """Up: asks for a reply. client_us: the client's clock, echoed."""

    client_us: int

    def pack(self) -> bytes:
        """The message. Raises `ProtocolError` if the time does not fit."""
        _safe(self.client_us, "client time")
        return _PING.pack(VERSION, KIND_PING, 0, self.client_us)


def note_row(performer: int, message: bytes) -> bytes:
    """An event without its time, for `pack_notes`: packed once, sent often. Raises `ProtocolError`."""
    if not performers.ROOM < performer <= performers.LAST:
        raise ProtocolError("an event of nobody")
    return bytes((performer,)) + _padded(message)


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
    data = _checked(message)
    kind = data[1]
    if kind == KIND_NOTES:
        return _unpack_notes(data)
    if kind == KIND_REPLY:
        return _unpack_reply(data)
    raise ProtocolError(f"kind {kind} is not one that a server sends", code="unknown_kind")


def unpack_up(message: bytes | str) -> Play | Ping:
    """Parse what a client sends. Raises `ProtocolError`."""
    data = _checked(message)
    kind = data[1]
    if kind == KIND_PLAY:
        return _unpack_play(data)
    if kind == KIND_PING:
        return _unpack_ping(data)
    raise ProtocolError(f"kind {kind} is not one that a client sends", code="unknown_kind")


def unwrap(number: int, near: int) -> int:
    """The integer closest to `near` whose low 32 bits are `number` (RFC 1982)."""
    return near + ((number - near + 0x8000_0000) & _U32) - 0x8000_0000


def _checked(data: bytes | str) -> bytes:
    """What has a kind of this version. A DataChannel may also deliver text, which is none."""
    if isinstance(data, str):
        raise ProtocolError("the midi channel carries bytes, not text")
    if not 2 <= len(data) <= MAX_MESSAGE:
        raise ProtocolError(f"{len(data)} bytes, not 2–{MAX_MESSAGE}", code="length")
    if data[0] != VERSION:
        raise ProtocolError(f"version {data[0]}, not {VERSION}", code="unknown_version")
    return data


def _unpack_notes(data: bytes) -> Notes:
    _expect(len(data) >= _NOTES.size, "the header is cut short")
    _, _, flags, count, newest, base = _NOTES.unpack_from(data)
    _expect(flags & ~_FLAG_STATE == 0, "reserved flags are set")
    _expect(count <= MAX_NOTES_EVENTS, "too many events")
    _safe(base, "media time")
    at = _NOTES.size + count * _NOTE.size
    _expect(len(data) >= at, "the events are cut short")
    events = []
    for delta, performer, *raw in _NOTE.iter_unpack(data[_NOTES.size : at]):
        _expect(performers.ROOM < performer <= performers.LAST, "an event of nobody")
        _safe(base + delta, "media time")
        events.append(NoteEvent(performer, _channel_message(raw), base + delta))
    state = None
    if flags & _FLAG_STATE:
        state = _unpack_state(data, at)
    else:
        _expect(len(data) == at, "bytes after the end")
    return Notes(newest, base, tuple(events), state)


def _unpack_state(data: bytes, at: int) -> StatePart:
    _expect(len(data) >= at + _RANGE.size, "the state is cut short")
    first_performer, first_cell, last_performer, last_cell, count = _RANGE.unpack_from(data, at)
    at += _RANGE.size
    first, last = first_performer << 16 | first_cell, last_performer << 16 | last_cell
    _expect(first <= last, "the range ends before it begins")
    _expect(len(data) == at + count * _CELL.size, "the cells do not fill the message")
    found = []
    before = first - 1
    for performer, cell, value in _CELL.iter_unpack(data[at:]):
        key = performer << 16 | cell
        _expect(before < key <= last, "a cell is out of order or range")
        _expect(cells.valid(performer, cell, value), "a cell that cannot be")
        found.append(OwnedCell(performer, cell, value))
        before = key
    return StatePart(first, last, tuple(found))


def _unpack_reply(data: bytes) -> Reply:
    _expect(len(data) == _REPLY.size, "a reply of the wrong length")
    _, _, flags, epoch, acked, client_us, media_time, held_us = _REPLY.unpack(data)
    _expect(flags & ~_FLAG_PERFORMER == 0, "reserved flags are set")
    performer = bool(flags & _FLAG_PERFORMER)
    _expect(performer or (epoch == 0 and acked == 0), "an acknowledgement for a listener")
    _safe(client_us, "client time")
    _safe(media_time, "media time")
    return Reply(performer, epoch, acked, client_us, media_time, held_us)


def _unpack_play(data: bytes) -> Play:
    _expect(len(data) >= _PLAY.size, "the header is cut short")
    _, _, flags, epoch, newest, client_us, count, held_count, zero = _PLAY.unpack_from(data)
    _expect(flags & ~(_FLAG_FIRST | _FLAG_HELD) == 0 and zero == 0, "reserved bits are set")
    _expect(count <= MAX_PLAY_EVENTS, "too many events")
    _expect(held_count <= MAX_HELD, "too much is held")
    has_held = bool(flags & _FLAG_HELD)
    _expect(has_held or held_count == 0, "held cells without their flag")
    _safe(client_us, "client time")
    at = _PLAY.size + count * _PLAYED.size
    _expect(len(data) == at + held_count * _HELD.size, "the events do not fill the message")
    events = []
    for age_us, *raw, pad in _PLAYED.iter_unpack(data[_PLAY.size : at]):
        _expect(pad == 0, "reserved bits are set")
        events.append(PlayEvent(_performer_message(raw), age_us))
    held = []
    before = -1
    for cell, value in _HELD.iter_unpack(data[at:]):
        _expect(before < cell, "held cells are out of order")
        _expect(cells.owned(cell) and 1 <= value <= 127, "a cell that nobody can hold")
        held.append((cell, value))
        before = cell
    return Play(
        epoch,
        newest,
        client_us,
        tuple(events),
        tuple(held) if has_held else None,
        bool(flags & _FLAG_FIRST),
    )


def _unpack_ping(data: bytes) -> Ping:
    _expect(len(data) == _PING.size, "a ping of the wrong length")
    _, _, zero, client_us = _PING.unpack(data)
    _expect(zero == 0, "reserved bits are set")
    _safe(client_us, "client time")
    return Ping(client_us)


def _channel_message(raw: list[int]) -> bytes:
    """Status and data bytes of a channel message (MIDI 1.0, table I), without padding."""
    status, first, second = raw
    _expect(m.NOTE_OFF <= status < m.SYSEX and first < 0x80 and second < 0x80, "not a channel message")
    if m.data_bytes(status) == 2:
        return bytes(raw)
    _expect(second == 0, "padding is not zero")
    return bytes((status, first))


def _performer_message(raw: list[int]) -> bytes:
    if raw[0] != 0xFF:
        return _channel_message(raw)
    _expect(raw[1] <= 1 and raw[2] == 0, "not a channel message")
    return bytes(raw[:2])


def _padded(message: bytes) -> bytes:
    if not 1 <= len(message) <= 3:
        raise ProtocolError(f"a message of {len(message)} bytes", code="length")
    return message.ljust(3, b"\0")


def _checked_down(message: bytes) -> bytes:
    """Hold what is packed to the rules of what is unpacked: our mistakes show here, not at a client."""
    unpack_down(message)
    return message


def _expect(ok: bool, why: str) -> None:
    if not ok:
        raise ProtocolError(why)


def _safe(value: int, what: str) -> None:
    if not -SAFE <= value <= SAFE:
        raise ProtocolError(f"{what} {value} is beyond 2⁵³")

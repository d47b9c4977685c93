"""The messages that a client sends on the ``midi`` channel, as bytes. Layouts are drawn in PROTOCOL.md.

Pure. `unpack_up` raises `ProtocolError` and nothing else, whatever it is given; ``pack()`` of what it returns
gives the same bytes again.
"""

from __future__ import annotations

import struct
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

KIND_PLAY = 17
KIND_PING = 18
MAX_PLAY_EVENTS = 64
MAX_HELD = 128
PANIC = b"\xff\x00"
"""In `play`: release all that this performer holds."""
PANIC_ALL = b"\xff\x01"
"""In `play`: silence everyone."""
_PLAY = struct.Struct(">BBBBIqBBH")
_PLAYED = struct.Struct(">IBBBB")
_HELD = struct.Struct(">HB")
_PING = struct.Struct(">BBHq")
_FLAG_FIRST = 1
_FLAG_HELD = 2


class PlayEvent(NamedTuple):
    """One event of a performer. `age_us`: between the event and the sending of this message."""

    message: bytes
    age_us: int


@dataclass(frozen=True, slots=True)
class Play:
    """Up: a performer's events, and what they hold after them.

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
            out.extend(_PLAYED.pack(age_us, *padded(message), 0) for message, age_us in self.events)
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
        check_safe(self.client_us, "client time")
        return _PING.pack(VERSION, KIND_PING, 0, self.client_us)


def unpack_up(message: bytes | str) -> Play | Ping:
    """Parse what a client sends. Raises `ProtocolError`."""
    data = checked(message)
    kind = data[1]
    if kind == KIND_PLAY:
        return _unpack_play(data)
    if kind == KIND_PING:
        return _unpack_ping(data)
    raise ProtocolError(f"kind {kind} is not one that a client sends", code="unknown_kind")


def _unpack_play(data: bytes) -> Play:
    expect(len(data) >= _PLAY.size, "the header is cut short")
    _, _, flags, epoch, newest, client_us, count, held_count, zero = _PLAY.unpack_from(data)
    expect(flags & ~(_FLAG_FIRST | _FLAG_HELD) == 0 and zero == 0, "reserved bits are set")
    expect(count <= MAX_PLAY_EVENTS, "too many events")
    expect(held_count <= MAX_HELD, "too much is held")
    has_held = bool(flags & _FLAG_HELD)
    expect(has_held or held_count == 0, "held cells without their flag")
    check_safe(client_us, "client time")
    at = _PLAY.size + count * _PLAYED.size
    expect(len(data) == at + held_count * _HELD.size, "the events do not fill the message")
    events = []
    for age_us, *raw, pad in _PLAYED.iter_unpack(data[_PLAY.size : at]):
        expect(pad == 0, "reserved bits are set")
        events.append(PlayEvent(_performer_message(raw), age_us))
    held = []
    before = -1
    for cell, value in _HELD.iter_unpack(data[at:]):
        expect(before < cell, "held cells are out of order")
        expect(cells.owned(cell) and 1 <= value <= 127, "a cell that nobody can hold")
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
    expect(len(data) == _PING.size, "a ping of the wrong length")
    _, _, zero, client_us = _PING.unpack(data)
    expect(zero == 0, "reserved bits are set")
    check_safe(client_us, "client time")
    return Ping(client_us)


def _performer_message(raw: list[int]) -> bytes:
    if raw[0] != 0xFF:
        return channel_message(raw)
    expect(raw[1] <= 1 and raw[2] == 0, "not a channel message")
    return bytes(raw[:2])

"""What all messages of the ``midi`` channel have in common: version, limits, errors, MIDI bytes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rtcserver.errors import RtcServerError
from rtcserver.midi import message as m

VERSION = 1
MAX_MESSAGE = 1100
"""Bytes of the largest message; with SCTP, DTLS, UDP and IP headers it stays below 1,200."""
SAFE = (1 << 53) - 1
"""The largest integer that a JavaScript number holds exactly."""
U32 = 0xFFFF_FFFF


class ProtocolError(RtcServerError):
    """A message that is none of ours, or breaks a rule of PROTOCOL.md. `code` is stable for programs.

    of: type of the JSON message that it is about, where that is known.
    """

    def __init__(self, message: str, *, code: str = "malformed") -> None:
        super().__init__(message)
        self.code = code
        self.of: str | None = None


def unwrap(number: int, near: int) -> int:
    """The integer closest to `near` whose low 32 bits are `number` (RFC 1982)."""
    return near + ((number - near + 0x8000_0000) & U32) - 0x8000_0000


def checked(data: bytes | str) -> bytes:
    """`data` itself, if it is long enough to have a kind and of this version. Raises `ProtocolError`.

    A DataChannel may also deliver text, which is no message.
    """
    if isinstance(data, str):
        raise ProtocolError("the midi channel carries bytes, not text")
    if not 2 <= len(data) <= MAX_MESSAGE:
        raise ProtocolError(f"{len(data)} bytes, not 2–{MAX_MESSAGE}", code="length")
    if data[0] != VERSION:
        raise ProtocolError(f"version {data[0]}, not {VERSION}", code="unknown_version")
    return data


def channel_message(raw: list[int]) -> bytes:
    """The channel message of these three bytes (MIDI 1.0, table I), without padding. Raises `ProtocolError`."""
    status, first, second = raw
    expect(m.NOTE_OFF <= status < m.SYSEX and first < 0x80 and second < 0x80, "not a channel message")
    if m.data_bytes(status) == 2:
        return bytes(raw)
    expect(second == 0, "padding is not zero")
    return bytes((status, first))


def padded(message: bytes) -> bytes:
    """The three bytes that stand for a message of 1–3 bytes. Raises `ProtocolError` for any other length."""
    if not 1 <= len(message) <= 3:
        raise ProtocolError(f"a message of {len(message)} bytes", code="length")
    return message.ljust(3, b"\0")


def expect(ok: bool, why: str) -> None:
    """Raises `ProtocolError` with `why` unless `ok`."""
    if not ok:
        raise ProtocolError(why)


def check_safe(value: int, what: str) -> None:
    """Raises `ProtocolError` for a number that JavaScript cannot hold exactly. what: its name."""
    if not -SAFE <= value <= SAFE:
        raise ProtocolError(f"{what} {value} is beyond 2⁵³")


def clamped(members: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The numbers in a report's JSON, each in its range; what is absent or null is left out.

    ranges: lowest and highest by name. Raises `ProtocolError` that names what is no finite number. An integer may be larger
    than any float, and 1e999 is JSON, and infinite.
    """
    values: dict[str, float] = {}
    for name, (low, high) in ranges.items():
        value = members.get(name)
        if value is None:
            continue
        finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if isinstance(value, bool) or not finite:
            raise ProtocolError(f"{name} is not a finite number")
        values[name] = float(min(high, max(low, value)))
    return values

"""Standard MIDI files → timed messages, with hard bounds. Pure.

Source: *Standard MIDI Files 1.0* (RP-001). Whatever a file claims, one pass over its bytes is all it costs:
no length is believed that lies beyond its chunk, and a variable-length quantity has four bytes at most.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from rtcserver.clock import NS
from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi.message import Kind
from rtcserver.midi.profile import Profile

MAX_BYTES = 1_000_000
MAX_TRACKS = 256
MAX_EVENTS = 200_000
MAX_DURATION_NS = 2 * 3600 * NS
TEMPO_US = (60_000, 6_000_000)
"""Microseconds in a quarter note that are believed: 1,000 down to 10 beats a minute."""
DEFAULT_TEMPO_US = 500_000
MAX_NAME = 80

_NOT_PLAYED = frozenset((m.LOCAL_CONTROL, 124, 125, 126, 127))
"""Controllers that would set up the instrument itself: local control, omni, mono and poly modes."""
_TRACK_NAME, _END_OF_TRACK, _SET_TEMPO = 0x03, 0x2F, 0x51
_DRUMS = 9
_FRAME_RATES = {24: (24, 1), 25: (25, 1), 29: (30_000, 1001), 30: (30, 1)}


class SongEvent(NamedTuple):
    """A channel message at a time in ns from the song's beginning."""

    at_ns: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Song:
    """A file that can be played. events: in order of time; every note that begins also ends.

    name: the first track's, or empty. left_out: messages that are not played, such as System Exclusive.
    """

    name: str
    events: tuple[SongEvent, ...]
    duration_ns: int
    tracks: int
    notes: int
    left_out: int


def refuse(reason: str, status: int = 422) -> PeerError:
    """The error for a file that is not played."""
    return PeerError(status, "midi_file", f"This MIDI file cannot be played: {reason}.")


def read(data: bytes) -> Song:
    """The song in the bytes of a ``.mid`` file. Raises PeerError that says what is wrong."""
    if len(data) > MAX_BYTES:
        raise refuse(f"it has {len(data):,} bytes; allowed are {MAX_BYTES:,}", 413)
    chunks = _chunks(data)
    kind, header = next(chunks, (b"", b""))
    if kind != b"MThd" or len(header) < 6:
        raise refuse("it does not begin with a MIDI file header (MThd)")
    form, count, division = struct.unpack(">HHh", header[:6])
    if form not in (0, 1):
        raise refuse(f"its format is {form}; allowed are 0 and 1")
    if not 1 <= count <= MAX_TRACKS or (form == 0 and count != 1):
        raise refuse(f"it has {count} tracks; allowed are 1 to {MAX_TRACKS}, and 1 in format 0")
    tracks = [body for kind, body in chunks if kind == b"MTrk"]
    if len(tracks) != count:
        raise refuse(f"it announces {count} tracks and has {len(tracks)}")
    reader = _Reader()
    for number, body in enumerate(tracks, 1):
        reader.track(number, body)
    return reader.song(_Clock(division, reader.tempos), count)


def arrange(song: Song, profile: Profile) -> Song:
    """The song as it is played on an instrument of this profile: without its programs or drums if so set."""
    events = tuple(
        event
        for event in song.events
        if (profile.file_programs or not _chooses(event.message))
        and (profile.file_drums or m.channel(event.message) != _DRUMS)
    )
    return replace(
        song,
        events=events,
        notes=sum(m.is_note_on(event.message) for event in events),
        left_out=song.left_out + len(song.events) - len(events),
    )


def _chooses(message: bytes) -> bool:
    kind = m.classify(message)
    return kind is Kind.PROGRAM or (kind is Kind.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            # Some programs leave a few bytes behind the last track.
            return
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "big")
        at += 8
        if at + size > len(data):
            raise refuse(f"a part of it claims {size:,} bytes where {len(data) - at:,} are left")
        yield kind, data[at : at + size]
        at += size


class _Reader:
    """Collects what all tracks have, in ticks."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int, bytes]] = []
        """(tick, running number, message)"""
        self.tempos: list[tuple[int, int]] = []
        self.name = ""
        self.left_out = 0
        self.end_tick = 0

    def track(self, number: int, body: bytes) -> None:
        """Read one track. Raises PeerError."""
        at, tick, running, size = 0, 0, 0, len(body)
        while at < size:
            delta, at = _quantity(body, at, number)
            tick += delta
            if at >= size:
                raise refuse(f"track {number} ends inside an event")
            status = body[at]
            if status == 0xFF:
                at, over = self._meta(number, body, at + 1, tick)
                if over:
                    break
                continue
            if status in (m.SYSEX, m.END_OF_SYSEX):
                length, at = _quantity(body, at + 1, number)
                if at + length > size:
                    raise refuse(f"track {number} ends inside System Exclusive")
                at += length
                self.left_out += 1
                continue
            if status >= m.SYSEX:
                raise refuse(f"track {number} has the byte {status:02X}, which no MIDI file may have")
            if status >= 0x80:
                running = status
                at += 1
            elif not running:
                raise refuse(f"track {number} has data without a status")
            count = m.data_bytes(running) or 0
            message = bytes((running,)) + body[at : at + count]
            if len(message) != 1 + count or message[1] > 0x7F or message[count] > 0x7F:
                raise refuse(f"track {number} has a broken message {message.hex(' ')}")
            at += count
            self._keep(tick, message)
        self.end_tick = max(self.end_tick, tick)

    def _keep(self, tick: int, message: bytes) -> None:
        if message[0] & 0xF0 == m.CONTROL and message[1] in _NOT_PLAYED:
            self.left_out += 1
            return
        if len(self.events) >= MAX_EVENTS:
            raise refuse(f"it has more than {MAX_EVENTS:,} events")
        self.events.append((tick, len(self.events), message))

    def _meta(self, number: int, body: bytes, at: int, tick: int) -> tuple[int, bool]:
        """A meta event; returns where it ends, and whether the track does."""
        if at >= len(body):
            raise refuse(f"track {number} ends inside an event")
        kind = body[at]
        length, at = _quantity(body, at + 1, number)
        data = body[at : at + length]
        if len(data) != length:
            raise refuse(f"track {number} ends inside an event")
        if kind == _SET_TEMPO:
            tempo = int.from_bytes(data, "big")
            low, high = TEMPO_US
            if length != 3 or not low <= tempo <= high:
                raise refuse(
                    f"track {number} sets a tempo of {tempo:,} µs a beat; allowed are {low:,} to {high:,}"
                )
            self.tempos.append((tick, tempo))
        elif kind == _TRACK_NAME and not self.name:
            text = data[: 4 * MAX_NAME].decode("utf-8", "replace")
            self.name = "".join(c for c in text if c.isprintable()).strip()[:MAX_NAME]
        return at + length, kind == _END_OF_TRACK

    def song(self, clock: _Clock, tracks: int) -> Song:
        """All tracks together, in ns. Raises PeerError."""
        duration = clock.ns(self.end_tick)
        if duration > MAX_DURATION_NS:
            hours = duration / (3600 * NS)
            raise refuse(f"it lasts {hours:,.1f} hours; allowed are {MAX_DURATION_NS // (3600 * NS)}")
        # Tracks one after the other at equal times, as the file has them.
        events = [SongEvent(clock.ns(tick), message) for tick, _, message in sorted(self.events)]
        down: dict[int, None] = {}
        notes = 0
        for _, message in events:
            if message[0] & 0xE0 != m.NOTE_OFF:
                continue
            key = (message[0] & 0x0F) << 7 | message[1]
            if message[0] & 0x10 and message[2]:
                down[key] = None
                notes += 1
            else:
                down.pop(key, None)
        if not notes:
            raise refuse("it has no notes")
        events += [SongEvent(duration, m.note_off(*divmod(key, 128))) for key in down]
        return Song(self.name, tuple(events), duration, tracks, notes, self.left_out)


class _Clock:
    """Ticks → ns, in integers. Must be asked for ascending ticks, or after `rewind`."""

    def __init__(self, division: int, tempos: list[tuple[int, int]]) -> None:
        self._per_frame: tuple[int, int] | None = None
        self._division = division
        if division < 0:
            # The high byte is minus the frames a second, the low one the ticks in a frame.
            frames, ticks = -(division >> 8), division & 0xFF
            if frames not in _FRAME_RATES or not ticks:
                raise refuse(f"its time code has {frames} frames a second and {ticks} ticks a frame")
            rate, per = _FRAME_RATES[frames]
            self._per_frame = (per * NS, rate * ticks)
        elif division == 0:
            raise refuse("its time division is 0")
        self._segments = [(0, 0, DEFAULT_TEMPO_US)]
        """(first tick, its ns, µs a beat)"""
        if self._per_frame is None:
            for tick, tempo in sorted(tempos, key=lambda each: each[0]):
                self._segments.append((tick, self._in(self._segments[-1], tick), tempo))
        self._at = 0

    def ns(self, tick: int) -> int:
        """Time of a tick from the song's beginning."""
        if self._per_frame is not None:
            return tick * self._per_frame[0] // self._per_frame[1]
        if tick < self._segments[self._at][0]:
            self._at = 0
        while self._at + 1 < len(self._segments) and self._segments[self._at + 1][0] <= tick:
            self._at += 1
        return self._in(self._segments[self._at], tick)

    def _in(self, segment: tuple[int, int, int], tick: int) -> int:
        first, ns, tempo = segment
        return ns + (tick - first) * tempo * 1000 // self._division


def _quantity(body: bytes, at: int, number: int) -> tuple[int, int]:
    """A variable-length quantity (four bytes at most), and where it ends."""
    value = 0
    for byte in body[at : at + 4]:
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    raise refuse(f"track {number} has a broken length or time")

"""One track of a Standard MIDI File → messages in ticks. Pure.

What cannot be read ends the track there and is said; what came before it is kept. A value above 127 is clipped, as
most players do, and a key or a controller of such a number, which would be another one, is left out.
"""

from __future__ import annotations

from collections import Counter

from rtcserver.midi import message as m
from rtcserver.midi import title

MAX_EVENTS = 200_000
DEFAULT_TEMPO_US = 500_000
"""Microseconds in a quarter note where no file says otherwise: 120 beats a minute."""

_NOT_PLAYED = frozenset((m.LOCAL_CONTROL, 124, 125, 126, 127))
"""Controllers that would set up the instrument itself: local control, omni, mono and poly modes."""
_TRACK_NAME, _END_OF_TRACK, _SET_TEMPO = 0x03, 0x2F, 0x51


class TooManyError(Exception):
    """The file has more than `MAX_EVENTS` events."""


class _BrokenError(Exception):
    """What ends a track before its end; the text is the rest of a sentence about the track."""


class Tracks:
    """Collects what all tracks have.

    events: ``(tick, running number, message)``. tempos: ``(tick, µs in a quarter note)``. left_out: messages that
    are not played, such as System Exclusive. wrong: what was wrong with single messages, counted. broken: clauses
    about tracks that end before their end.
    """

    def __init__(self) -> None:
        self.events: list[tuple[int, int, bytes]] = []
        self.tempos: list[tuple[int, int]] = []
        self.name = ""
        self.left_out = 0
        self.end_tick = 0
        self.wrong: Counter[str] = Counter()
        self.broken: list[str] = []

    def read(self, number: int, data: bytes, at: int, size: int) -> int:
        """Read track `number`, whose events begin at `at` and fill `size` bytes, as its chunk claims.

        Returns where it could be read to, or where the next one begins if the rest of it is lost. A claim that is
        too small is not believed: the track goes on to its End of Track, unless there is none. Raises TooManyError.
        """
        end = min(at + size, len(data))
        walk = _Walk(self, data, at)
        fault = walk.run(end)
        if not walk.ended() and data[end : end + 4] != b"MTrk":
            following = data.find(b"MTrk", end)
            before = len(self.events), len(self.tempos), self.left_out, self.wrong.copy(), walk.at, walk.tick
            walk.run(following if following >= 0 else len(data))
            if walk.ended():
                fault = None
            else:
                events, tempos, self.left_out, self.wrong, walk.at, walk.tick = before
                del self.events[events:], self.tempos[tempos:]
        if fault is None and not walk.ended() and at + size > len(data):
            fault = "is cut off"
        self.end_tick = max(self.end_tick, walk.tick)
        if fault is None:
            return walk.at
        self.broken.append(f"track {number} {fault}")
        following = data.find(b"MTrk", walk.at)
        return following if following >= 0 else len(data)

    def keep(self, tick: int, message: bytes) -> None:
        """Take a channel message. Raises TooManyError."""
        if message[0] & 0xF0 == m.CONTROL and message[1] in _NOT_PLAYED:
            self.left_out += 1
            return
        if len(self.events) >= MAX_EVENTS:
            raise TooManyError
        self.events.append((tick, len(self.events), message))


class _Walk:
    """Where the reader of one track is. `at` is always between two events."""

    def __init__(self, tracks: Tracks, data: bytes, at: int) -> None:
        self._tracks = tracks
        self._data = data
        self._running = 0
        self.at = at
        self.tick = 0
        self._over = False

    def ended(self) -> bool:
        """Whether End of Track was read."""
        return self._over

    def run(self, end: int) -> str | None:
        """Read events up to `end` or End of Track; returns what stopped it before, as a clause."""
        try:
            while self.at < end and not self._over:
                delta, at = self._quantity(self.at, end)
                self.at = self._event(self.tick + delta, at, end)
                self.tick += delta
        except _BrokenError as broken:
            return str(broken)
        return None

    def _event(self, tick: int, at: int, end: int) -> int:
        """One event behind its time; returns where it ends."""
        data, tracks = self._data, self._tracks
        if at >= end:
            raise _BrokenError("is cut off")
        status = data[at]
        if status == 0xFF:
            return self._meta(tick, at + 1, end)
        if status in (m.SYSEX, m.END_OF_SYSEX):
            length, at = self._quantity(at + 1, end)
            if at + length > end:
                raise _BrokenError("is cut off inside System Exclusive")
            tracks.left_out += 1
            return at + length
        if status >= m.SYSEX:
            raise _BrokenError(
                f"has the byte {status:02X}, which no MIDI file may have, and was read up to there"
            )
        if status >= 0x80:
            self._running = status
            at += 1
        elif not self._running:
            raise _BrokenError("has data without a status and was read up to there")
        count = m.data_bytes(self._running) or 0
        if at + count > end:
            raise _BrokenError("is cut off")
        first, second = data[at], data[at + count - 1]
        if first > 0x7F or second > 0x7F:
            self._clipped(tick, first, second, count)
        else:
            tracks.keep(tick, bytes((self._running,)) + data[at : at + count])
        return at + count

    def _clipped(self, tick: int, first: int, second: int, count: int) -> None:
        """A message with values above 127."""
        kind = self._running & 0xF0
        if first > 0x7F and kind in (m.NOTE_ON, m.NOTE_OFF, m.POLY_PRESSURE, m.CONTROL, m.PROGRAM):
            what = {m.CONTROL: "controller", m.PROGRAM: "program"}.get(kind, "key")
            self._tracks.wrong[what] += 1
            return
        self._tracks.wrong["value"] += 1
        values = (min(first, 0x7F), min(second, 0x7F))[:count]
        self._tracks.keep(tick, bytes((self._running, *values)))

    def _meta(self, tick: int, at: int, end: int) -> int:
        """A meta event behind its FF; returns where it ends."""
        if at >= end:
            raise _BrokenError("is cut off")
        kind, tracks = self._data[at], self._tracks
        if kind == _END_OF_TRACK:
            # Nothing follows it, so that a missing or a wrong length makes no difference.
            self._over = True
            return min(at + 2, len(self._data))
        length, at = self._quantity(at + 1, end)
        if at + length > end:
            raise _BrokenError("is cut off")
        data = self._data[at : at + length]
        if kind == _SET_TEMPO:
            if length != 3:
                tracks.wrong["tempo"] += 1
            else:
                tempo = int.from_bytes(data, "big")
                if not tempo:
                    tracks.wrong["still"] += 1
                tracks.tempos.append((tick, tempo or DEFAULT_TEMPO_US))
        elif kind == _TRACK_NAME and not tracks.name:
            tracks.name = title.decode(data)
        return at + length

    def _quantity(self, at: int, end: int) -> tuple[int, int]:
        """A variable-length quantity (four bytes at most), and where it ends."""
        value = 0
        for byte in self._data[at : min(at + 4, end)]:
            at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, at
        raise _BrokenError(
            "is cut off" if at >= end else "has a broken length or time and was read up to there"
        )

"""The demo piece: what a newcomer hears before anybody plays. Our own, a quiet loop of eight bars.

Pure: the score as MIDI messages with their times in beats, and who wants to show it gets it as notes in samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.clock import MEDIA_RATE
from rtcserver.midi import message as m

TITLE = "The demo piece"
TEMPO_BPM = 76.0
BEATS = 32.0
"""Length of the loop: eight bars of four beats."""

_PIANO, _BASS, _PAD, _BELL = 0, 1, 2, 3
_PROGRAMS = {
    _PIANO: 4,
    _BASS: 32,
    _PAD: 89,
    _BELL: 10,
}  # electric piano 1, acoustic bass, warm pad, music box
_PANS = {_PIANO: 50, _BASS: 64, _PAD: 84, _BELL: 24}
_LEVELS = {_PIANO: 96, _BASS: 92, _PAD: 58, _BELL: 74}

# One chord a bar: bass note, then the voicing.
_CHORDS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (38, (57, 60, 64, 65)),  # Dm9
    (43, (53, 57, 59, 64)),  # G13
    (36, (55, 59, 62, 64)),  # Cmaj9
    (45, (55, 60, 61, 64)),  # A7 sharp 9
    (38, (57, 60, 64, 65)),  # Dm9
    (40, (56, 62, 65, 71)),  # E7 flat 9
    (41, (57, 60, 64, 67)),  # Fmaj9
    (43, (55, 60, 62, 65)),  # G9 sus
)
# The melody: beat, note, length in beats, velocity.
_MELODY: tuple[tuple[float, int, float, int], ...] = (
    (1.0, 76, 0.9, 66), (2.0, 77, 0.4, 60), (2.5, 76, 0.4, 56), (3.0, 72, 0.9, 62),
    (4.5, 71, 1.4, 64), (6.5, 69, 0.4, 54), (7.0, 71, 0.9, 60),
    (8.5, 74, 0.9, 66), (9.5, 72, 0.4, 56), (10.0, 71, 0.9, 60), (11.0, 67, 0.9, 58),
    (12.5, 69, 0.4, 58), (13.0, 73, 0.4, 60), (13.5, 76, 0.4, 64), (14.0, 79, 1.8, 70),
    (17.0, 77, 0.9, 66), (18.0, 76, 0.4, 58), (18.5, 74, 0.4, 56), (19.0, 72, 0.9, 60),
    (20.5, 71, 0.4, 56), (21.0, 74, 0.4, 60), (21.5, 77, 0.4, 64), (22.0, 80, 1.8, 70),
    (24.5, 79, 0.9, 66), (25.5, 76, 0.4, 58), (26.0, 72, 1.4, 60),
    (28.5, 74, 0.4, 58), (29.0, 72, 0.4, 56), (29.5, 69, 0.4, 54), (30.0, 67, 1.6, 52),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScoreEvent:
    """A MIDI message at a time in beats from the loop's start."""

    beat: float
    message: bytes


def setup() -> list[bytes]:
    """Programs, levels and pans: sent once before the loop."""
    messages = []
    for channel, program in _PROGRAMS.items():
        messages += [
            m.program(channel, program),
            m.control(channel, m.VOLUME, _LEVELS[channel]),
            m.control(channel, m.PAN, _PANS[channel]),
            m.control(channel, m.REVERB, 48),
        ]
    return messages


def score() -> list[ScoreEvent]:
    """The loop's note-ons and note-offs in order of time; every note ends within the loop."""
    notes: list[tuple[float, float, int, int, int]] = []  # beat, length, channel, note, velocity
    for bar, (root, voicing) in enumerate(_CHORDS):
        start = bar * 4.0
        notes += [(start, 3.9, _PAD, note, 46) for note in voicing]
        for beat, velocity in ((0.0, 58), (1.5, 44), (2.5, 50)):
            # A hand is never quite together: a few ms between the notes of a chord.
            notes += [
                (start + beat + i * 0.012, 0.9, _PIANO, note, velocity - i) for i, note in enumerate(voicing)
            ]
        for beat, interval, velocity in ((0.0, 0, 78), (1.5, 0, 58), (2.0, 7, 66), (3.5, 12, 54)):
            notes.append((start + beat, 0.45 if beat else 1.2, _BASS, root + interval, velocity))
    notes += [(beat, length, _BELL, note, velocity) for beat, note, length, velocity in _MELODY]
    events = []
    for beat, length, channel, note, velocity in notes:
        events.append(ScoreEvent(beat, m.note_on(channel, note, velocity)))
        events.append(ScoreEvent(min(beat + length, BEATS - 0.01), m.note_off(channel, note)))
    # A note-off goes before a note-on at the same time, so a repeated note sounds again.
    return sorted(events, key=lambda e: (e.beat, m.status(e.message)))


def loop_frames(rate: int) -> int:
    """Frames of one round at `rate` Hz."""
    return round(BEATS * 60 / TEMPO_BPM * rate)


def notes() -> list[list[int]]:
    """Every note of a round, for whoever shows it: ``[start, end, channel, note, velocity]``, times in 48 kHz samples."""
    found: list[list[int]] = []
    held: dict[tuple[int, int], list[int]] = {}
    for event in score():
        at = round(event.beat * 60 / TEMPO_BPM * MEDIA_RATE)
        key = (m.channel(event.message), event.message[1])
        if m.is_note_on(event.message):
            held[key] = [at, at, *key, event.message[2]]
            found.append(held[key])
        else:
            held.pop(key)[1] = at
    return found


class DemoPlayer:
    """Hands out the loop's messages by frame number, and falls silent while somebody plays."""

    def __init__(self, rate: int, *, idle_s: float = 30.0) -> None:
        self._events = [(round(e.beat * 60 / TEMPO_BPM * rate), e.message) for e in score()]
        self._length = loop_frames(rate)
        self._idle_frames = round(idle_s * rate)
        self._start = 0
        self._index = 0
        self._resume: int | None = None
        self._hushed = False
        self._sounding: set[tuple[int, int]] = set()
        self.since: int | None = None
        """The frame at which the first of the rounds began; None while the piece does not play."""

    def interrupt(self, frame: int) -> list[bytes]:
        """Somebody plays at `frame`: stop for `idle_s`. Returns what ends the sounding notes."""
        self._resume = frame + self._idle_frames
        return self._let_go()

    def hush(self) -> list[bytes]:
        """Nobody listens: the piece begins anew with the next `due`. Returns what ends the sounding notes."""
        self._hushed = True
        return self._let_go()

    def _let_go(self) -> list[bytes]:
        self.since = None
        offs = [m.note_off(channel, note) for channel, note in sorted(self._sounding)]
        self._sounding.clear()
        return offs

    def quiet(self, first_frame: int, frames: int) -> bool:
        """Whether `due` has nothing to say for these frames, and may be left out."""
        if self._resume is not None:
            return first_frame < self._resume
        if self._hushed or self._index == len(self._events):
            return False
        return self._start + self._events[self._index][0] >= first_frame + frames

    def due(self, first_frame: int, frames: int) -> list[bytes]:
        """The messages of ``[first_frame, first_frame + frames)``."""
        if self._resume is not None or self._hushed:
            if self._resume is not None and first_frame < self._resume:
                return []
            self._resume, self._hushed, self._start, self._index = None, False, first_frame, 0
        if self.since is None:
            self.since = self._start
        messages: list[bytes] = []
        end = first_frame + frames
        while True:
            if self._index == len(self._events):
                self._start += self._length
                self._index = 0
            at, message = self._events[self._index]
            if self._start + at >= end:
                return messages
            note = (m.channel(message), message[1])
            if m.is_note_on(message):
                self._sounding.add(note)
            else:
                self._sounding.discard(note)
            messages.append(message)
            self._index += 1

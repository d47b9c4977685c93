"""A phrase in words, for ``client --send``: what sounds, and for how long. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_STEPS = 1000
NOTE_MS, VELOCITY = 300, 90
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTE = re.compile(r"([A-Ga-g])([#b]?)(-?\d)")
_STEP = re.compile(r"(?P<notes>[^:]+)(?::(?P<ms>\d{1,5}))?(?::(?P<velocity>\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Step:
    """notes: MIDI numbers that sound together; none is a rest. ms: its length. velocity: 1–127."""

    notes: tuple[int, ...]
    ms: int
    velocity: int


def parse_phrase(text: str) -> list[Step]:
    """``C4 E4 G4``; ``C4+E4+G4:800:110`` is a chord of 800 ms with velocity 110, ``-:200`` a rest.

    C4 is middle C, 60; ``#`` and ``b`` follow the letter. Raises ValueError naming the word.
    """
    words = text.split()
    if not 1 <= len(words) <= MAX_STEPS:
        raise ValueError(f"a phrase has 1–{MAX_STEPS} steps, not {len(words)}")
    return [_step(word) for word in words]


def _step(word: str) -> Step:
    match = _STEP.fullmatch(word)
    if match is None:
        raise ValueError(f'"{word}" is no NOTE[+NOTE…][:MS[:VELOCITY]]')
    ms = NOTE_MS if match["ms"] is None else int(match["ms"])
    velocity = VELOCITY if match["velocity"] is None else int(match["velocity"])
    if not 1 <= velocity <= 127 or not 1 <= ms <= 60_000:
        raise ValueError(f'"{word}": 1–60000 ms and velocities of 1–127 are allowed')
    if match["notes"] == "-":
        return Step((), ms, velocity)
    return Step(tuple(_number(name) for name in match["notes"].split("+")), ms, velocity)


def _number(name: str) -> int:
    match = _NOTE.fullmatch(name)
    if match is None:
        raise ValueError(f'"{name}" is no note such as C4, F#3 or Bb5')
    number = 12 * (int(match[3]) + 1) + _LETTERS[match[1].upper()] + {"#": 1, "b": -1, "": 0}[match[2]]
    if not 0 <= number <= 127:
        raise ValueError(f'"{name}" is no MIDI note (C-1 to G9)')
    return number

"""A sound that shows what a network did to it, and the analysis: onsets that are missing, gaps, and stretched time.

A steady sound has a level that a gap is seen in. It is a low note with its harmonics, as a jitter buffer stretches time only
where a sound repeats itself (NetEQ wants a correlation of 0.9): in noise, it keeps whatever delay it once has. The chirps of
`benchmarks.rig.clicks` over it, one in 256 ms, are onsets at known places. Everything here is pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.rig.clicks import CLICKS, LENGTH, SPACING, Mono, chirp, find
from rtcserver.clock import MEDIA_RATE

_NOTE = 0.08
_HARMONICS = 12
_NOISE = 0.004
_CHIRP = 0.35
_WINDOW = 300
"""Samples: one period of the note (160 Hz, 6.25 ms), so that the level is steady. `LENGTH` holds a whole number of them."""
_SEED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a recording of the track holds.

    onsets: chirps found. missed: those that should be between the first and the last one found. gap_ms: the longest
    stretch at less than half of the level; 0 if there is none of `_WINDOW`. stretch_ms: by how much the distance of two
    neighbours is off at most: what the jitter buffer inserted or left out between them.
    """

    onsets: int
    missed: int
    gap_ms: float
    stretch_ms: float


def track() -> npt.NDArray[np.int16]:
    """One loop, ``(LENGTH, 2)`` int16 at 48 kHz; the right side has other phases and noise than the left."""
    chance = np.random.default_rng(_SEED)
    sound = chance.normal(0, _NOISE, (LENGTH, 2))
    order = np.arange(1, _HARMONICS + 1)
    turns = np.arange(_WINDOW)[:, None, None] * order / _WINDOW + chance.random((2, _HARMONICS))
    period = (np.sin(2 * np.pi * turns) / order).sum(axis=2)
    sound += np.tile(period * _NOTE / period.std(), (LENGTH // _WINDOW, 1))
    for number in range(CLICKS):
        first = number * SPACING
        sound[first : first + len(chirp())] += _CHIRP * chirp()[:, None]
    return np.round(np.clip(sound, -1, 1) * 32_767).astype(np.int16)


def judge(sound: Mono) -> Verdict:
    """Of one side at 48 kHz."""
    clicks = find(sound)
    distances = np.diff([click.at for click in clicks])
    whole = np.maximum(1, np.round(distances / SPACING))
    off = np.abs(distances - whole * SPACING)
    return Verdict(
        onsets=len(clicks),
        missed=int(np.sum(whole - 1)),
        gap_ms=longest_gap_ms(sound),
        stretch_ms=round(float(off.max()) * 1000 / MEDIA_RATE, 2) if len(off) else 0.0,
    )


def longest_gap_ms(sound: Mono) -> float:
    """The longest stretch with less than half of the usual level, by windows of one period."""
    if len(sound) < 2 * _WINDOW:
        return 0.0
    sums = np.concatenate([[0.0], np.cumsum(np.square(sound))])
    power = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW
    quiet = power < _usual(power) / 4
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    if not len(runs):
        return 0.0
    # A window counts from three quarters in the hole on: half a window is missing at the two ends together.
    return round(float((int(runs.max()) + _WINDOW / 2) * 1000 / MEDIA_RATE), 1)


def _usual(power: Mono) -> float:
    """The level of the note, without what is silence."""
    loud = power[power > power.max() / 10_000]
    return float(np.median(loud)) if len(loud) else 0.0

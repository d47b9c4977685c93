"""A sound whose moments can be recognised to the sample: short chirps over music."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.rig.music import demo_piece
from rtcserver.clock import MEDIA_RATE

SPACING = 12_297
"""Samples between two clicks (256 ms). From one to the next, the phase in 10 ms of samples moves on by the
golden section: a few dozen clicks meet all phases of frames, blocks and playout ticks evenly."""
CLICKS = 100
LENGTH = SPACING * CLICKS
"""Samples of the loop, 25.6 s."""
_CHIRP = 288
_LEVEL = 0.35
_CLEAR = 0.35
"""How alike (correlation coefficient) a click must be to what was played to count as recognised."""

Mono = npt.NDArray[np.float64]


def chirp() -> Mono:
    """6 ms from 1.5 to 12 kHz under a Hann window: its autocorrelation is narrower than 0.1 ms."""
    time = np.arange(_CHIRP) / MEDIA_RATE
    sweep = 1_500 * time + (12_000 - 1_500) * time**2 * MEDIA_RATE / (2 * _CHIRP)
    return np.hanning(_CHIRP) * np.sin(2 * np.pi * sweep)


def click_track() -> npt.NDArray[np.int16]:
    """One loop, ``(LENGTH, 2)`` int16: a click at every multiple of `SPACING`, the music 12 dB softer."""
    sound = demo_piece(LENGTH).astype(np.float64) / 32_768 * 0.25
    for first in range(0, LENGTH, SPACING):
        sound[first : first + _CHIRP] += _LEVEL * chirp()[:, None]
    return np.round(np.clip(sound, -1, 1) * 32_767).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Click:
    """at: sample index of its first sample, with a fraction. likeness: correlation coefficient, up to 1."""

    at: float
    likeness: float


def find(sound: Mono) -> list[Click]:
    """The clicks in one channel at 48 kHz, at most one in `SPACING` samples, in order."""
    shape = chirp()
    size = 1 << (len(sound) + len(shape)).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(shape, size))
    likeness = np.fft.irfft(spectrum, size)[: len(sound) - len(shape) + 1]
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    local = energy[len(shape) :] - energy[: -len(shape)]
    likeness /= np.sqrt(np.maximum(local, 1e-9) * np.sum(shape**2))
    clicks: list[Click] = []
    rest = likeness.copy()
    while len(rest) and (best := int(np.argmax(rest))) >= 0 and rest[best] > _CLEAR:
        clicks.append(Click(_vertex(likeness, best), float(rest[best])))
        rest[max(0, best - SPACING // 2) : best + SPACING // 2] = 0
    return sorted(clicks, key=lambda click: click.at)


def _vertex(values: Mono, peak: int) -> float:
    """The top of the parabola through a maximum and its neighbours."""
    if not 0 < peak < len(values) - 1:
        return float(peak)
    low, mid, high = values[peak - 1 : peak + 2]
    bend = low - 2 * mid + high
    return float(peak + (0.5 * (low - high) / bend if bend else 0.0))

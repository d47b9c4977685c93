"""The room's mix at the device's rate → 48 kHz, with its hold-back known.

libsamplerate's streaming converter aligns its output with its input: output sample *m* is the
input's sound at time *m*/48000 from the first sample it was given. It only holds the newest
samples back (about 1 ms for sinc_medium) until it has seen what follows them.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtcserver.clock import MEDIA_RATE

Stereo = npt.NDArray[np.float32]


class Resampler(Protocol):
    """``(frames, 2)`` float32 in at `rate`, ``(n, 2)`` float32 out at 48 kHz."""

    rate: int

    def process(self, samples: Stereo) -> Stereo: ...

    def flush(self) -> Stereo:
        """What is still held back; the next `process` begins a new, unconnected run."""


class PassThrough:
    """For devices that run at 48 kHz."""

    rate = MEDIA_RATE

    def process(self, samples: Stereo) -> Stereo:
        return samples

    def flush(self) -> Stereo:
        return np.empty((0, 2), np.float32)


class SincResampler:
    """libsamplerate's sinc_medium at a fixed ratio; a 64-bit phase, so it never drifts."""

    def __init__(self, rate: int) -> None:
        import samplerate

        self.rate = rate
        self._ratio = MEDIA_RATE / rate
        self._converter = samplerate.Resampler("sinc_medium", channels=2)

    def process(self, samples: Stereo) -> Stereo:
        out: Stereo = self._converter.process(samples, self._ratio, False)
        return out

    def flush(self) -> Stereo:
        tail: Stereo = self._converter.process(np.zeros((0, 2), np.float32), self._ratio, True)
        self._converter.reset()
        return tail


def resampler_for(rate: int) -> Resampler:
    """The resampler from `rate` Hz to 48 kHz."""
    return PassThrough() if rate == MEDIA_RATE else SincResampler(rate)


def media_position(base: int, frame: int, rate: int) -> int:
    """Media time of device frame `frame` of a run whose frame 0 is at media time `base`.

    Exact in integers: base + frame·48000/rate (for 44.1 kHz frame·160/147), rounded to the
    nearest sample.
    """
    common = math.gcd(MEDIA_RATE, rate)
    num, den = MEDIA_RATE // common, rate // common
    return base + (2 * frame * num + den) // (2 * den)

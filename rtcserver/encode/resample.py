"""The room's mix at the device's rate → 48 kHz, with its hold-back known.

Output sample *m* is the input's sound at time *m*/48000 from the first sample that was given. A converter only holds the
newest samples back (about 1 ms) until it has seen what follows them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from rtcserver.clock import MEDIA_RATE

Stereo = npt.NDArray[np.float32]

TAPS = 80
"""Input samples, at the lower of both rates, that make an output sample. Half of them are held back: 0.9 ms at 44.1 kHz."""
PASS_HZ, STOP_HZ = 20_000.0, 23_500.0
"""Tones up to `PASS_HZ` leave no line above -100 dB beside them, and pass
within 0.01 dB. libsamplerate's sinc_medium, which takes 3.6 times as long, has lost 3.4 dB at 20 kHz, and its lines are
below -122 dB; sinc_fastest has lost 4.3 dB at 18 kHz, and its lines are below -100 dB (tests/encode/test_resample.py)."""
BETA = 10.0
"""Of the Kaiser window."""
MOST_PHASES = 640
"""Ratios of larger numbers than that are left to libsamplerate: 48,000 / 44,100 is 160 / 147."""
_ROWS = 96
"""Least number of output samples that one matrix makes."""
_PERIODS = 4
"""Periods of one product. Eight columns are what BLAS computes at once, and alike: ten would differ in the last bit."""


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
    """libsamplerate's sinc_medium at a fixed ratio; a 64-bit phase, so it never drifts. For ratios of large numbers."""

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


class PolyphaseResampler:
    """A windowed sinc, one row of a matrix for each phase; the phase is counted in whole numbers, so it never drifts.

    A period of the ratio (160 samples from 147 at 44.1 kHz) is the product of a band matrix with its input, and `_PERIODS`
    are columns of one product. It begins with a period and has the same shape each time, and what was made of it before is
    left out: so the samples do not depend on how the input is cut, to the bit.

    Raises ValueError for a ratio of larger numbers than `MOST_PHASES`.
    """

    def __init__(self, rate: int) -> None:
        common = math.gcd(MEDIA_RATE, rate)
        if max(MEDIA_RATE, rate) // common > MOST_PHASES:
            raise ValueError(f"rate is {rate}: its ratio to {MEDIA_RATE} is of too large numbers")
        self.rate = rate
        # A simple ratio's period is short: several make a matrix that is worth a product.
        times = -(-_ROWS * common // MEDIA_RATE)
        self._out, self._in = times * MEDIA_RATE // common, times * rate // common
        self._matrix = _band(rate, self._out, self._in)
        width = self._matrix.shape[1]
        self._reach = width - self._in
        """Input samples of one output sample."""
        self._most = _PERIODS * self._in + self._reach - 1
        """Samples in the buffer that make no more output than one product."""
        self._buffer = np.zeros(((_PERIODS + 1) * self._in + 2 * self._reach, 2), np.float32)
        """The input from the beginning of a period on."""
        # A frame of two samples is copied as one number of 64 bits.
        pairs = self._buffer.view(np.int64)[:, 0]
        pair = pairs.strides[0]
        self._windows = as_strided(pairs, (width, _PERIODS), (pair, self._in * pair), writeable=False)
        self._input = np.zeros((width, _PERIODS * 2), np.float32)
        self._columns = self._input.view(np.int64)
        self._product = np.empty((self._out, _PERIODS * 2), np.float32)
        self._in_order = self._product.view(np.int64).T
        self._begin()

    def process(self, samples: Stereo) -> Stereo:
        if self._held + len(samples) <= self._most:
            return self._make(samples)
        parts = []
        while len(samples):
            room = self._most - self._held
            parts.append(self._make(samples[:room]))
            samples = samples[room:]
        return np.concatenate(parts)

    def flush(self) -> Stereo:
        # What follows the end of the input is silence, and each sample of the input has its time in the output.
        tail = self.process(np.zeros((self._reach // 2, 2), np.float32))
        self._begin()
        return tail

    def _begin(self) -> None:
        self._held = self._reach // 2 - 1
        """Samples in the buffer; the first ones are the silence before the input."""
        self._buffer[: self._held] = 0
        self._made = 0
        """Output samples that were made of the period that the buffer begins with."""

    def _make(self, samples: Stereo) -> Stereo:
        """Add samples to the buffer; the output samples whose input is complete."""
        into, out, made = self._in, self._out, self._made
        buffer, end = self._buffer, self._held + len(samples)
        buffer[self._held : end] = samples
        # The output sample k needs those from k·in/out on.
        complete = -(-(end - self._reach + 1) * out // into)
        if complete <= made:
            self._held = end
            return self._product[:0, :2]
        self._columns[...] = self._windows
        np.matmul(self._matrix, self._input, out=self._product)
        ready: Stereo = self._in_order.reshape(-1, 1).view(np.float32)[made:complete]
        periods, self._made = divmod(complete, out)
        self._held = end - periods * into
        if periods:
            buffer[: self._held] = buffer[periods * into : end]
        return ready


@lru_cache(maxsize=4)
def _band(rate: int, out: int, into: int) -> Stereo:
    """``(out, into + reach)`` float32: row *p* makes output *p* of a period from its input."""
    lower = min(rate, MEDIA_RATE)
    cutoff = (PASS_HZ + STOP_HZ) / 2 / rate
    reach = 2 * round(TAPS / 2 * rate / lower)
    matrix = np.zeros((out, into + reach), np.float32)
    taps = np.arange(reach) - (reach // 2 - 1)
    for row in range(out):
        first, part = divmod(row * into, out)
        at = taps - part / out
        window = np.i0(BETA * np.sqrt(np.maximum(0, 1 - (at / (reach / 2)) ** 2)))
        values = np.sinc(2 * cutoff * at) * window
        matrix[row, first : first + reach] = values / values.sum()
    return matrix


def resampler_for(rate: int) -> Resampler:
    """The resampler from `rate` Hz to 48 kHz."""
    if rate == MEDIA_RATE:
        return PassThrough()
    try:
        return PolyphaseResampler(rate)
    except ValueError:
        return SincResampler(rate)


def media_position(base: int, frame: int, rate: int) -> int:
    """Media time of device frame `frame` of a run whose frame 0 is at media time `base`.

    Exact in integers: base + frame·48000/rate (for 44.1 kHz frame·160/147), rounded to the
    nearest sample.
    """
    common = math.gcd(MEDIA_RATE, rate)
    num, den = MEDIA_RATE // common, rate // common
    return base + (2 * frame * num + den) // (2 * den)

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
Move = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Where to, and where from."""

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
"""Least number of output samples that one period makes."""
_PERIODS = 4
"""Periods of one product. Eight columns are what BLAS computes at once, and alike: ten would differ in the last bit."""
_PARTS = (4, 5, 3, 2, 1)
"""Into so many parts a period is cut, the first that divides its output."""


class Resampler(Protocol):
    """``(frames, 2)`` float32 in at `rate`, ``(n, 2)`` float32 out at 48 kHz."""

    rate: int

    def process(self, samples: Stereo) -> Stereo:
        """The output that these samples complete. It may share memory with them, and with what the next call makes."""

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

    A period of the ratio (160 samples from 147 at 44.1 kHz) is the product of a band matrix with its input. It is cut into
    parts, whose matrices hold little beside the band, and `_PERIODS` of each part are columns of one product. That begins
    with any of the parts and has the same shape each time, and what was made of the part before is left out: so the
    samples do not depend on how the input is cut, to the bit.

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
        self._matrix, self._reach = _bands(rate, self._out, self._in)
        parts, self._rows, width = self._matrix.shape
        # Input from the beginning of a period on: what is of it, and the product's.
        self._buffer = np.zeros(((_PERIODS + 1) * self._in + 2 * self._reach, 2), np.float32)
        # A frame of two samples is copied as one number of 64 bits.
        self._pairs = self._buffer.view(np.int64)[:, 0]
        self._input = np.zeros((parts, width, _PERIODS * 2), np.float32)
        self._product = np.empty((parts, self._rows, _PERIODS * 2), np.float32)
        self._line = np.empty((_PERIODS * self._out, 2), np.float32)
        self._moves = [self._moves_from(first) for first in range(parts)]
        self._begin()

    def process(self, samples: Stereo) -> Stereo:
        """The result is overwritten by the next call."""
        if len(samples) <= self._room:
            return self._make(samples)
        parts = []
        while len(samples):
            room = self._room
            parts.append(self._make(samples[:room]).copy())
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
        self._count_room()

    def _count_room(self) -> None:
        """So many samples can be added, that one product makes all the output that they complete."""
        most = self._made // self._rows * self._rows + _PERIODS * self._out
        self._room = most * self._in // self._out + self._reach - 1 - self._held

    def _moves_from(self, first: int) -> tuple[list[Move], list[Move]]:
        """From the buffer to the product's input, and from the product to the line of output, if part `first` of the
        period that the buffer begins with is the first that is made: of the parts before it, those of the next periods."""
        parts, width, _ = self._input.shape
        pair = self._pairs.strides[0]
        columns, line = self._input.view(np.int64), self._line.view(np.int64)
        made = self._product.view(np.int64)
        places = line.reshape(_PERIODS, parts, self._rows).transpose(1, 2, 0)
        into, out = [], []
        for begin, end, period in ((first, parts, 0), (0, first, 1)):
            if begin == end:
                continue
            step = self._in // parts
            windows = as_strided(
                self._pairs[period * self._in + begin * step :],
                (end - begin, width, _PERIODS),
                (step * pair, pair, self._in * pair),
                writeable=False,
            )
            into.append((columns[begin:end], windows))
            place = (begin - first) % parts
            out.append((places[place : place + end - begin], made[begin:end]))
        return into, out

    def _make(self, samples: Stereo) -> Stereo:
        """Add samples to the buffer; the output samples whose input is complete."""
        into, out, made = self._in, self._out, self._made
        buffer, end = self._buffer, self._held + len(samples)
        if samples.strides[1] == 4:
            self._pairs[self._held : end] = samples.view(np.int64)[:, 0]
        else:
            buffer[self._held : end] = samples
        # The output sample k needs those from k·in/out on.
        complete = -(-(end - self._reach + 1) * out // into)
        if complete <= made:
            self._held = end
            self._count_room()
            return self._line[:0]
        first = made // self._rows
        moves, moves_out = self._moves[first]
        for target, source in moves:
            target[...] = source
        np.matmul(self._matrix, self._input, out=self._product)
        for target, source in moves_out:
            target[...] = source
        ready = self._line[made - first * self._rows : complete - first * self._rows]
        periods, self._made = divmod(complete, out)
        self._held = end - periods * into
        if periods:
            buffer[: self._held] = buffer[periods * into : end]
        self._count_room()
        return ready


@lru_cache(maxsize=4)
def _bands(rate: int, out: int, into: int) -> tuple[Stereo, int]:
    """``(parts, out / parts, width)`` float32: row *p* of all parts makes output *p* of a period from its input.

    Part *n* takes the input from ``n · (into // parts)`` on. And how many input samples make an output sample.
    """
    lower = min(rate, MEDIA_RATE)
    cutoff = (PASS_HZ + STOP_HZ) / 2 / rate
    reach = 2 * round(TAPS / 2 * rate / lower)
    parts = next(parts for parts in _PARTS if out % parts == 0)
    rows, step = out // parts, into // parts
    begins = [row * into // out - row // rows * step for row in range(out)]
    matrix = np.zeros((parts, rows, max(begins) + reach), np.float32)
    taps = np.arange(reach) - (reach // 2 - 1)
    for row, begin in enumerate(begins):
        at = taps - row * into % out / out
        window = np.i0(BETA * np.sqrt(np.maximum(0, 1 - (at / (reach / 2)) ** 2)))
        values = np.sinc(2 * cutoff * at) * window
        matrix[row // rows, row % rows, begin : begin + reach] = values / values.sum()
    return matrix, reach


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

"""The room's 48 kHz stereo → what a telephone's codec takes: one channel of 16-bit samples, 8,000 or 16,000 a second."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtcserver.clock import MEDIA_RATE

Mono = npt.NDArray[np.int16]

_HELD = {8_000: 48, 16_000: 48}
"""Samples at the lower rate that are held back. libsamplerate's sinc_medium holds 45 and 46 of them: it needs to see what
follows. It keeps what is below 0.45 of the rate, and takes more than 100 dB from what would fold back."""
_SCALE = 32_767


class MonoDownsampler:
    """Frames in, frames out, sample for sample in step. Not thread-safe.

    rate: 8000 or 16000 Hz; ValueError for others. lookahead: samples at 48 kHz by which the output lags the input.
    """

    def __init__(self, rate: int) -> None:
        import samplerate

        held = _HELD.get(rate)
        if held is None:
            raise ValueError(f"rate is {rate}: allowed are {', '.join(map(str, _HELD))}")
        self.rate = rate
        self.lookahead = held * MEDIA_RATE // rate
        self._ratio = rate / MEDIA_RATE
        self._converter = samplerate.Resampler("sinc_medium", channels=1)
        self._ready = np.zeros(held, np.float32)

    def process(self, pcm: bytes) -> Mono:
        """The mean of left and right.

        pcm: interleaved stereo float32 in [-1, 1] at 48 kHz, as long as a whole number of output samples.

        Returns ``(n,) int16``; what is louder than full scale is clipped.
        """
        stereo = np.frombuffer(pcm, np.float32).reshape(-1, 2)
        mono = (stereo[:, 0] + stereo[:, 1]) * np.float32(0.5)
        ready = np.concatenate((self._ready, self._converter.process(mono, self._ratio, False)))
        count = len(mono) * self.rate // MEDIA_RATE
        self._ready = ready[count:]
        scaled = np.rint(ready[:count] * np.float32(_SCALE))
        return np.clip(scaled, -_SCALE - 1, _SCALE).astype(np.int16)

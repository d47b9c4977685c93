"""Keeps peaks under full scale without delay, and leaves everything else as it is. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CEILING = 10 ** (-1 / 20)
"""Peaks that stay as they are: 1 dB below full scale."""
_most, _least = np.maximum.reduce, np.minimum.reduce
RELEASE_S = 0.3
"""Time in which a reduction falls to 37 %."""


class Limiter:
    """One stream's. What never exceeds `CEILING` passes bit for bit.

    The gain falls at once with a peak, the same on both sides, and comes back slowly: no look-ahead, so no delay.
    """

    def __init__(self, rate: int, ceiling: float = CEILING) -> None:
        self._ceiling = ceiling
        self._decay = -1.0 / (RELEASE_S * rate)
        self._envelope = 0.0

    def apply(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``(frames, channels)`` float32 → the same, within ±`ceiling`."""
        if not len(block):
            return block
        ceiling = self._ceiling
        if self._envelope <= ceiling and _most(block, None) <= ceiling and _least(block, None) >= -ceiling:
            self._envelope = 0.0
            return block
        peaks = np.abs(block).max(axis=1).astype(np.float64)
        # The envelope falls by a factor a frame and is lifted by each peak: a running maximum, once the fall is
        # taken out.
        fall = np.exp(self._decay * np.arange(1, len(block) + 1))
        envelope = np.maximum(np.maximum.accumulate(peaks / fall), self._envelope) * fall
        self._envelope = float(envelope[-1])
        gain = self._ceiling / np.maximum(envelope, self._ceiling)
        return np.asarray(block * gain[:, None], np.float32)

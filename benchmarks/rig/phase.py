"""How far a sound has moved against its timestamps, read from the phases of two known tones. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def tone_phase(samples: npt.NDArray[np.float32], first: int, hz: float, rate: int = 48_000) -> float:
    """Phase in radians, as of sample 0, of a tone in ``(frames,)`` samples; the first is number `first`."""
    # Whole cycles are taken out before the exponential, so that the phase is exact after hours, too.
    cycles = np.mod((first + np.arange(len(samples))) * (hz / rate), 1.0)
    return float(np.angle(np.sum(samples * np.hanning(len(samples)) * np.exp(-2j * np.pi * cycles))))


def delay_s(before: Sequence[float], after: Sequence[float], hz: Sequence[float], longest_s: float) -> float:
    """By how much the tones came later in the second reading than in the first, in s; negative: earlier.

    before, after: phases of the tones `hz`. A tone alone tells a delay only up to its period; the delay
    within ±`longest_s` on which all of them agree best is taken.
    """
    turns = [(a - b) / (2 * math.pi) for a, b in zip(after, before, strict=True)]
    span = math.ceil(longest_s * hz[0])
    best, least = 0.0, math.inf
    for whole in range(-span, span + 1):
        delay = -(turns[0] + whole) / hz[0]
        misses = [(delay * f + turn) - round(delay * f + turn) for f, turn in zip(hz, turns, strict=True)]
        miss = max(abs(each) for each in misses)
        if miss < least - 1e-3 or (miss < least + 1e-3 and abs(delay) < abs(best)):
            # The mean of what each tone says is better than the first one's word.
            refined = delay - float(np.mean([m / f for m, f in zip(misses, hz, strict=True)]))
            best, least = refined, min(least, miss)
    return best

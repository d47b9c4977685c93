"""The share of packets that a listener loses, over intervals that are long enough to say something. Pure."""

from __future__ import annotations

import math

INTERVAL_S = 1.0
"""Reports may come more often: a single loss is a large share of a tenth of a second."""
SMALL = 0.0005
"""A share of losses that counts as none: about one packet in twenty seconds."""


class LossShare:
    """One listener's reports, added up to intervals of `INTERVAL_S` at least."""

    def __init__(self) -> None:
        self.expected = 0
        """Packets since the last interval ended."""
        self._lost = 0
        self.elapsed_s = 0.0
        """Since then."""

    def add(self, expected: int, lost: int, elapsed_s: float, asked: int = 0) -> float | None:
        """One more report: the share that was lost, 0 to 1, when it ends an interval, else None.

        expected, lost: packets; `lost` may be negative when late ones came. asked: different packets that were asked for
        in this interval so far. One that was then sent again is lost no more by the report, but it came late.
        """
        self.expected += max(0, expected)
        self._lost += lost
        self.elapsed_s += max(0.0, elapsed_s)
        if self.elapsed_s < INTERVAL_S or not self.expected:
            return None
        return min(1.0, max(0, self._lost, asked) / self.expected)

    def clear(self) -> None:
        """Begin the next interval."""
        self.expected = self._lost = 0
        self.elapsed_s = 0.0


def lost_with_half_copied(missed: float) -> float:
    """The share of packets that a network loses at random where a receiver misses this share, and every second packet
    is sent twice: p, where missed is (p + p²) / 2. From 0 to 1 for 0 to 1."""
    return (math.sqrt(1 + 8 * missed) - 1) / 2

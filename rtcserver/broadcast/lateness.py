"""How late packets leave: a histogram that is cheap to fill and to send. Pure."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_US = (50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 50_000, 100_000)
"""Upper edges of the buckets in µs; one more bucket holds what is later still."""
_BOUNDS_NS = tuple(bound * 1_000 for bound in BOUNDS_US)


class Lateness:
    """Counts and sum in ns since the beginning, and the largest value in ns since it was last taken."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_US) + 1)
        self.sum_ns = 0
        self._max_ns = 0

    def add(self, ns: int) -> None:
        """Count one duration."""
        self.counts[bisect_left(_BOUNDS_NS, ns)] += 1
        self.sum_ns += ns
        if ns > self._max_ns:
            self._max_ns = ns

    def take_max(self) -> int:
        """The largest duration in ns since the last call."""
        largest, self._max_ns = self._max_ns, 0
        return largest

"""The latest durations of something that happens on a device's thread, for statistics."""

from __future__ import annotations

KEPT = 16_384
"""Durations that are kept: more than half a minute at blocks of 128 frames."""


class Durations:
    """A preallocated ring of the latest `KEPT` durations in ns. One thread adds, another reads."""

    def __init__(self) -> None:
        self._values = [0] * KEPT
        self._count = 0

    def add(self, duration_ns: int) -> None:
        """Keep one more; allocates nothing that grows."""
        self._values[self._count % KEPT] = duration_ns
        self._count += 1

    def values(self) -> list[int]:
        """A copy of those kept, in no particular order once the ring has wrapped."""
        return self._values[: self._count]

    def clear(self) -> None:
        """Forget all of them."""
        self._count = 0

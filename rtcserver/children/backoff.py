"""How long to wait before a child process is started again. Pure."""

from __future__ import annotations

from rtcserver.clock import NS

BACKOFF_S = (0.0, 0.25, 1.0, 2.0)
"""Between the first, second, … start in a row and the one after it there is at least so much time."""
HEALTHY_NS = 10 * NS
"""A process that ran well for so long makes the next restart a first one."""


class Backoff:
    """The waits of one child after another.

    They bound how often a process that keeps ending is started. One that ran for longer than its wait has waited
    already: the next follows at once.
    """

    def __init__(self, waits_s: tuple[float, ...] = BACKOFF_S, healthy_ns: int = HEALTHY_NS) -> None:
        self._waits = waits_s
        self._healthy_ns = healthy_ns
        self._failures = 0

    def ended(self, lived_ns: int) -> float:
        """A process ended after `lived_ns` of life; returns the wait in seconds."""
        if lived_ns >= self._healthy_ns:
            self._failures = 0
        wait = self._waits[min(self._failures, len(self._waits) - 1)]
        self._failures += 1
        return max(0.0, wait - lived_ns / NS)

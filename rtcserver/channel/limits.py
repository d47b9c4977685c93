"""A rate limit as a value. Pure."""

from __future__ import annotations

from rtcserver.clock import NS


class RateLimit:
    """At most `per_second` on average, `burst` at once (GCRA, ITU-T I.371, in integer ns)."""

    __slots__ = ("_credit_ns", "_interval_ns", "_next_ns")

    def __init__(self, per_second: int, burst: int) -> None:
        self._interval_ns = NS // per_second
        self._credit_ns = (burst - 1) * self._interval_ns
        self._next_ns = 0

    def take(self, now_ns: int) -> bool:
        """Whether one more is allowed now; if so it is counted."""
        at = max(self._next_ns, now_ns)
        if at - now_ns > self._credit_ns:
            return False
        self._next_ns = at + self._interval_ns
        return True

"""A rate limit as a value. Pure."""

from __future__ import annotations

from rtcserver.clock import NS


class RateLimit:
    """At most `count` in `per_ns` on average, `burst` at once (GCRA, ITU-T I.371, in integer ns)."""

    __slots__ = ("_credit_ns", "_interval_ns", "_next_ns")

    def __init__(self, count: int, burst: int, per_ns: int = NS) -> None:
        self._interval_ns = max(1, per_ns // count)
        self._credit_ns = burst * self._interval_ns
        self._next_ns = 0

    def take(self, now_ns: int, amount: int = 1) -> bool:
        """Whether `amount` more is allowed now; if so it is counted."""
        if self.wait_ns(now_ns, amount) > 0:
            return False
        self._next_ns = max(self._next_ns, now_ns) + amount * self._interval_ns
        return True

    def wait_ns(self, now_ns: int, amount: int = 1) -> int:
        """How long until `amount` more is allowed; 0 if it is now. More than a burst is never allowed."""
        used_ns = max(0, self._next_ns - now_ns) + amount * self._interval_ns
        return max(0, used_ns - self._credit_ns)

    def is_idle(self, now_ns: int) -> bool:
        """Whether nothing of what was taken still counts: a new limit would be the same."""
        return self._next_ns <= now_ns

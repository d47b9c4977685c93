"""How much longer the round trip is than that of an empty queue. Pure."""

from __future__ import annotations

import math
from collections import deque

WINDOW_S = 2.0
BASE_S = 60.0
"""The shortest round trip of so long is that of an empty queue; a way that has become longer is accepted after it."""
MAX_LATEST = 64
"""Round trips that are kept of a window."""


class BaseDelay:
    """The shortest round trip of the last `BASE_S` to twice that, and how much longer those of the last `WINDOW_S` are."""

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float]] = deque(maxlen=MAX_LATEST)
        self._before = self._shortest = math.inf
        self._since_s = -math.inf

    def add(self, round_trip_s: float, now_s: float) -> float:
        """Take a round trip; returns by how much the shortest of the last ones is longer than the shortest of all."""
        if now_s - self._since_s >= BASE_S:
            self._before, self._shortest, self._since_s = self._shortest, math.inf, now_s
        self._shortest = min(self._shortest, round_trip_s)
        self._latest.append((now_s, round_trip_s))
        while now_s - self._latest[0][0] > WINDOW_S:
            self._latest.popleft()
        return min(trip_s for _, trip_s in self._latest) - min(self._shortest, self._before)

    def renew(self) -> None:
        """What was measured before says nothing about what is sent from now on."""
        self._latest.clear()

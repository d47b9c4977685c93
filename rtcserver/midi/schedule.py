"""Messages that wait for their time. Pure."""

from __future__ import annotations

import heapq
import itertools

MAX_WAITING = 8192


class Schedule:
    """Messages by the monotonic ns at which they are due; equal times keep their order.

    Bounded: when `limit` messages wait, the earliest is played at once rather than dropped, because
    a lost note-off would hang. `early` counts those.
    """

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._heap: list[tuple[int, int, int, bytes]] = []
        self._numbers = itertools.count()
        self.early = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_ns(self) -> int | None:
        """When the earliest message is due."""
        return self._heap[0][0] if self._heap else None

    def add(self, owner: int, message: bytes, at_ns: int) -> list[tuple[int, bytes]]:
        """Keep `message` until `at_ns`; returns ``(owner, message)`` of what has to be played at once."""
        heapq.heappush(self._heap, (at_ns, next(self._numbers), owner, message))
        if len(self._heap) <= self._limit:
            return []
        self.early += 1
        _, _, owner, message = heapq.heappop(self._heap)
        return [(owner, message)]

    def due(self, now_ns: int) -> list[tuple[int, int, bytes]]:
        """``(at_ns, owner, message)`` of all that is due at `now_ns`, in order; they are gone afterwards."""
        messages = []
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, _, owner, message = heapq.heappop(self._heap)
            messages.append((at_ns, owner, message))
        return messages

    def cancel(self, owner: int) -> int:
        """Drop all of `owner`; returns how many."""
        kept = [item for item in self._heap if item[2] != owner]
        dropped = len(self._heap) - len(kept)
        heapq.heapify(kept)
        self._heap = kept
        return dropped

    def clear(self) -> None:
        """Drop everything."""
        self._heap.clear()

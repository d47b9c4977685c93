"""Counters of sessions that are fresh when somebody reads them, and cost nothing while nobody does.

The broadcast process tells each listener's counters when the listener's sender report is due, every five seconds. Who
reads them wants newer ones; this asks for them, in small portions, so that media never waits behind one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import ProcessError

FRESH_NS = NS // 2
"""Counters younger than this are not asked for again, however many people ask."""
PORTION = 64
"""Listeners in one request: about as many as one share of sender reports has."""
LIMIT_S = 1.0
"""Time that a reader waits at most; then the counters are as old as they are."""


class StatsSource(Protocol):
    """What can be asked for counters, as `rtcserver.broadcast.client.BroadcastClient`."""

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> object:
        """Fetch fresh counters of some listeners. Raises ProcessError if none come."""


class FreshCounters:
    """Refreshes the counters of a room's listeners, once for all who ask at the same time. Loop-bound."""

    def __init__(self, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._now_ns = now_ns
        self._asking = asyncio.Lock()
        self._fresh_ns: dict[str, int] = {}
        """When the latest complete refresh of a room began."""

    async def refresh(self, room: str, source: StatsSource, listener_ids: Sequence[int]) -> None:
        """Return when the listeners' counters are fresh, or `LIMIT_S` is over, or the source is gone."""
        async with self._asking:
            begin = self._now_ns()
            if room in self._fresh_ns and begin - self._fresh_ns[room] < FRESH_NS:
                return
            with contextlib.suppress(ProcessError, TimeoutError):
                async with asyncio.timeout(LIMIT_S):
                    for at in range(0, len(listener_ids), PORTION):
                        await source.fetch_stats(listener_ids[at : at + PORTION])
                self._fresh_ns[room] = begin

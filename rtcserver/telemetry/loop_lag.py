"""How late the server's event loop is: what a request, a note or a check waits before anything looks at it."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Histogram

from rtcserver.clock import NS, monotonic_ns, next_beat

INTERVAL_S = 0.25
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class LoopLag:
    """A timer four times a second that measures how late it is called. `start` on the loop, then `close`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "rtcserver_event_loop_lag_seconds",
            "How late the server process's event loop calls a timer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns = 0

    def start(self) -> None:
        """Measure from now on."""
        loop = asyncio.get_running_loop()
        due_s = next_beat(loop.time(), INTERVAL_S)
        self._due_ns = int(due_s * NS)
        self._timer = loop.call_at(due_s, self._called)

    def close(self) -> None:
        """Measure no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _called(self) -> None:
        self._seconds.observe(max(0, monotonic_ns() - self._due_ns) / NS)
        self.start()

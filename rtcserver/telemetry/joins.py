"""How joins go: how long they take, and what is refused and why. Loop-bound."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from rtcserver.telemetry.listeners import bounded_mode

_SECONDS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
MAX_REASONS = 64
"""Reasons that are counted by name: they are the code's own words, and more than there are."""


class JoinMetrics:
    """Told of each session that is connected, and of each request that is refused."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "rtcserver_join_seconds",
            "From a listener's offer to its first packet of sound.",
            ["room", "mode"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._refused = Counter(
            "rtcserver_http_refusals",
            "Requests that were refused: offers (join) and others, by the code of the error.",
            ["request", "reason"],
            registry=registry,
        )
        self._reasons: set[str] = set()

    def expect(self, room: str) -> None:
        """Show a room that nobody has joined yet, with zeros."""
        self._seconds.labels(room, "listen")

    def joined(self, room: str, mode: str, seconds: float) -> None:
        """A session is connected."""
        self._seconds.labels(room, bounded_mode(mode)).observe(seconds)

    def refused(self, request: str, reason: str) -> None:
        """A request was refused. request: ``join`` or ``other``."""
        if len(self._reasons) < MAX_REASONS:
            self._reasons.add(reason)
        self._refused.labels(request, reason if reason in self._reasons else "other").inc()

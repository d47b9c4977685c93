"""What a load run found: figures that workers send and the parent adds up. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Joins:
    """joined: that heard or could hear. times_ms: one each. failures: by reason. seconds: of all together."""

    joined: int = 0
    times_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, other: Joins) -> None:
        """Another worker's, at the same time."""
        self.joined += other.joined
        self.times_ms += other.times_ms
        self.failures += other.failures
        self.seconds = max(self.seconds, other.seconds)

    def figures(self) -> dict[str, object]:
        """For JSON."""
        return {
            "joined": self.joined,
            "failed": sum(self.failures.values()),
            "failures": dict(self.failures),
            "joins_per_s": round(self.joined / self.seconds, 1) if self.seconds else 0.0,
            "join_p50_ms": percentile(self.times_ms, 50),
            "join_p99_ms": percentile(self.times_ms, 99),
        }


@dataclass(slots=True)
class Returns:
    """How listeners that return (`Options.returning`) fared since they were last asked.

    listening: those that have packets now. away: those that have lost theirs and are not back. back: how often one
    came back. last_ns: when the last of them was back, monotonic; 0 if none was.
    """

    listening: int = 0
    away: int = 0
    back: int = 0
    last_ns: int = 0

    def add(self, other: Returns) -> None:
        """Another worker's."""
        self.listening += other.listening
        self.away += other.away
        self.back += other.back
        self.last_ns = max(self.last_ns, other.last_ns)


@dataclass(slots=True)
class Window:
    """What came in between two moments, over all listeners of a worker.

    expected, received: packets; see `stream.expected`. lost: missing in the sequence numbers. gaps: places
    where they are missing. least: received by the listener that got the smallest share of its
    expected packets, and that share. silent: listeners that got nothing. overflows: datagrams that
    this side's own sockets had no room for; they are lost as well, but not by the server.
    strangers: datagrams from elsewhere. unordered: packets that came twice or late.
    """

    seconds: float = 0.0
    listeners: int = 0
    expected: int = 0
    received: int = 0
    lost: int = 0
    gaps: int = 0
    silent: int = 0
    least: int = -1
    least_share: float = 1.0
    overflows: int = 0
    unordered: int = 0
    strangers: int = 0
    verified: int = 0
    unverified: int = 0
    checks_sent: int = 0
    checks_answered: int = 0
    cpu_s: float = 0.0
    frame_samples: float = 0.0

    def add(self, other: Window) -> None:
        """Another worker's, at the same time."""
        if other.listeners and (self.least < 0 or other.least_share < self.least_share):
            self.least, self.least_share = other.least, other.least_share
        self.seconds = max(self.seconds, other.seconds)
        self.frame_samples = self.frame_samples or other.frame_samples
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def figures(self) -> dict[str, object]:
        """For JSON."""
        return {
            "seconds": round(self.seconds, 2),
            "listeners": self.listeners,
            "packets_expected": self.expected,
            "packets_received": self.received,
            "packets_lost": self.lost,
            "gaps": self.gaps,
            "silent_listeners": self.silent,
            "least_packets": max(0, self.least),
            "least_share": round(self.least_share, 4),
            "own_overflows": self.overflows,
            "unordered": self.unordered,
            "strangers": self.strangers,
            "verified": self.verified,
            "unverified": self.unverified,
            "checks_sent": self.checks_sent,
            "checks_answered": self.checks_answered,
            "frame_ms": round(self.frame_samples / 48, 3),
            "load_us_per_packet": round(1e6 * self.cpu_s / self.received, 3) if self.received else None,
        }


_SUMS = (
    "listeners",
    "expected",
    "received",
    "lost",
    "gaps",
    "silent",
    "overflows",
    "unordered",
    "strangers",
    "verified",
    "unverified",
    "checks_sent",
    "checks_answered",
    "cpu_s",
)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value at or below which `percent` of the values lie, to 0.01; None if there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)], 2)

"""A client's idea of the server's media clock, from the replies to its pings. PROTOCOL.md, "Clock". Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtcserver.channel.down.messages import Reply
from rtcserver.channel.up.messages import Ping
from rtcserver.clock import MEDIA_RATE

PER_MS = MEDIA_RATE / 1000
WINDOW = 32
"""Replies that are weighed: a minute's worth."""
MAX_RTT_MS = 5000.0
STEP_MS = 20.0
"""A correction beyond this is a step; a smaller one is spread over `SPREAD_MS`."""
SPREAD_MS = 1000.0
MAX_DRIFT = 500e-6
_DRIFT_PRIOR = 1e8
"""1/σ² of the expected drift, 100 ppm: it takes some ten seconds of replies to move away from none."""
_NOISE_MS = 0.5
FAST_PINGS = 8
FAST_NS = 100_000_000
SLOW_NS = 2_000_000_000


class _Sample(NamedTuple):
    at_ms: float
    offset_ms: float
    rtt_ms: float


class MediaClock:
    """Media time ↔ the client's monotonic clock. Weighs replies by how little they were delayed.

    `offset` is media time in ms less the client's clock; half a round trip is taken as the way back, so
    an asymmetric path shifts it by half the asymmetry.
    """

    def __init__(self) -> None:
        self.steps = 0
        """How often the media clock was found elsewhere than expected, and the estimate began anew."""
        self._samples: deque[_Sample] = deque(maxlen=WINDOW)
        self._odd: list[_Sample] = []
        self._mean_at = 0.0
        self._mean_offset = 0.0
        self._drift = 0.0
        self._residue = 0.0
        self._residue_at = 0.0
        self._pings = 0
        self._next_ping_ns: int | None = None

    @property
    def ready(self) -> bool:
        """Whether there is an estimate."""
        return bool(self._samples)

    @property
    def rtt_ms(self) -> float | None:
        """The least round trip of the window; half of it bounds the error."""
        return min((sample.rtt_ms for sample in self._samples), default=None)

    @property
    def drift(self) -> float:
        """How much faster the media clock runs than the client's: 1e-6 is one part per million."""
        return self._drift

    def next_ping_ns(self, now_ns: int) -> int:
        """When `ping` should be sent: at once at first."""
        return now_ns if self._next_ping_ns is None else self._next_ping_ns

    def ping(self, now_ns: int) -> bytes:
        """A ping to send now."""
        self._pings += 1
        self._next_ping_ns = now_ns + (FAST_NS if self._pings < FAST_PINGS else SLOW_NS)
        return Ping(now_ns // 1000).pack()

    def add(self, reply: Reply, now_ns: int) -> None:
        """Take a reply that arrived at `now_ns`; ignored if it comes from the future or is seconds old."""
        arrived_ms = now_ns / 1e6
        rtt_ms = arrived_ms - reply.client_us / 1000 - reply.held_us / 1000
        if not 0 <= rtt_ms <= MAX_RTT_MS:
            return
        at_ms = arrived_ms - rtt_ms / 2
        sample = _Sample(at_ms, reply.media_time / PER_MS - at_ms, rtt_ms)
        if self._samples and abs(sample.offset_ms - self._estimate(at_ms)) > rtt_ms / 2 + STEP_MS:
            # No delay explains this. Once may be a mishap; three times in a row, the media clock has moved.
            self._odd.append(sample)
            if len(self._odd) < 3:
                return
            self._samples.clear()
            self._samples.extend(self._odd)
            self.steps += 1
        else:
            self._samples.append(sample)
        self._odd.clear()
        before = self._shown(arrived_ms) if len(self._samples) > 1 else None
        self._fit()
        residue = 0.0 if before is None else before - self._estimate(arrived_ms)
        self._residue = residue if abs(residue) <= STEP_MS else 0.0
        self._residue_at = arrived_ms

    def media_at(self, now_ns: int) -> int | None:
        """The room's media time at `now_ns`, or None without an estimate. Never jumps but for a step."""
        if not self._samples:
            return None
        now_ms = now_ns / 1e6
        return round((now_ms + self._shown(now_ms)) * PER_MS)

    def _fit(self) -> None:
        """Weighted least squares of the offset over time, the slope held towards 0 (ridge)."""
        least = min(sample.rtt_ms for sample in self._samples)
        total = at = offset = 0.0
        weights = [(1 / (sample.rtt_ms - least + _NOISE_MS)) ** 2 for sample in self._samples]
        for weight, sample in zip(weights, self._samples, strict=True):
            total += weight
            at += weight * sample.at_ms
            offset += weight * sample.offset_ms
        self._mean_at = at / total
        self._mean_offset = offset / total
        above, below = 0.0, _DRIFT_PRIOR
        for weight, sample in zip(weights, self._samples, strict=True):
            away = sample.at_ms - self._mean_at
            above += weight * away * (sample.offset_ms - self._mean_offset)
            below += weight * away * away
        self._drift = max(-MAX_DRIFT, min(MAX_DRIFT, above / below))

    def _estimate(self, at_ms: float) -> float:
        return self._mean_offset + self._drift * (at_ms - self._mean_at)

    def _shown(self, at_ms: float) -> float:
        left = max(0.0, min(1.0, 1 - (at_ms - self._residue_at) / SPREAD_MS))
        return self._estimate(at_ms) + self._residue * left

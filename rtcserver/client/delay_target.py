"""The delay that a browser's jitter buffer aims for, from when packets arrive. Pure.

A model of what WebRTC's NetEq does, as its description ("NetEq", ``modules/audio_coding/neteq/g3doc`` of WebRTC) and the
parameters of its delay manager, which are public, have it. Two histograms in steps of `BUCKET_MS`:

- of how late packets come that arrive in order, the latest of each half second: their 95th percentile is the base;
- of how late packets come that others have overtaken, among all packets. More delay is worth its price while a percent
  of losses that it saves costs no more than `MS_PER_LOSS_PERCENT`.

The target is the greater of the two. Both forget: half of what they know in 20 s (base) and in 1000 packets (overtaken).
"""

from __future__ import annotations

import numpy as np

BUCKET_MS = 20
START_MS = 80
"""Before anything is known."""
MS_PER_LOSS_PERCENT = 20.0
_BUCKETS = 100
_QUANTILE = 0.95
_FORGET, _FORGET_OVERTAKEN = 0.983, 0.9993
_SAMPLED_MS = 500
_NEVER = 1e-6
"""A share below this is taken for none; NetEq's fixed-point arithmetic loses it."""


class _Histogram:
    """Shares of the buckets. An entry's weight falls by `forget` with each later one; the first entries weigh more."""

    def __init__(self, forget: float) -> None:
        self.shares = np.zeros(_BUCKETS)
        self._forget = forget
        self._count = 0

    def add(self, bucket: int) -> None:
        keep = 0.0 if self._count == 0 else min(self._forget, 1 - 2 / (self._count + 1))
        self.shares *= keep
        self.shares[self.shares < _NEVER] = 0.0
        self.shares[bucket] += 1 - keep
        self._count += 1

    def beyond(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Share of the entries above each bucket."""
        return np.maximum(0.0, 1 - np.cumsum(self.shares))


class DelayTarget:
    """`ms` is the target; `arrive` takes each packet's lateness."""

    def __init__(self) -> None:
        self.ms = START_MS
        self._base_ms = START_MS
        self._latest = _Histogram(_FORGET)
        self._overtaken = _Histogram(_FORGET_OVERTAKEN)
        self._greatest_ms = 0.0
        self._since_ms: float | None = None

    def arrive(self, late_ms: float, now_ms: float, *, overtaken: bool) -> None:
        """A packet came `late_ms` later than the earliest of the last seconds. now_ms: on any clock that rises."""
        bucket = int(late_ms // BUCKET_MS)
        if not overtaken:
            self._sample(late_ms, now_ms)
        if bucket < _BUCKETS:
            self._overtaken.add(bucket if overtaken else 0)
        self.ms = max(self._base_ms, self._cheapest_ms())

    def _sample(self, late_ms: float, now_ms: float) -> None:
        if self._since_ms is None:
            self._since_ms = now_ms
        if now_ms - self._since_ms > _SAMPLED_MS:
            bucket = int(self._greatest_ms // BUCKET_MS)
            if bucket < _BUCKETS:
                self._latest.add(bucket)
            enough = self._latest.beyond() <= 1 - _QUANTILE
            self._base_ms = BUCKET_MS * (1 + int(np.argmax(enough)))
            self._since_ms, self._greatest_ms = now_ms, 0.0
        self._greatest_ms = max(self._greatest_ms, late_ms)

    def _cheapest_ms(self) -> int:
        beyond = self._overtaken.beyond()
        beyond[beyond < _NEVER] = 0.0
        more_ms = np.maximum(0, np.arange(_BUCKETS) * BUCKET_MS - self._base_ms)
        return BUCKET_MS * (1 + int(np.argmin(more_ms + 100 * MS_PER_LOSS_PERCENT * beyond)))

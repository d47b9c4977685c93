"""The three clocks, and the conversions between them. The only module that reads time.

- *monotonic*: ``CLOCK_MONOTONIC`` in integer nanoseconds, shared by all processes of the machine.
- *media time*: 48 kHz samples since the room's timeline began, a 64-bit integer. The capture
  device is its only source; see `rtcserver.encode.timeline`.
- *wall*: nanoseconds since 1970, for people and for the NTP half of an RTCP sender report.
"""

from __future__ import annotations

import math
import time

MEDIA_RATE = 48_000
"""Samples per second of media time; also the Opus RTP clock rate (RFC 7587, section 4.1)."""

NS = 1_000_000_000

_NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900 (NTP era 0) to 1970 (RFC 5905, section 6)."""


monotonic_ns = time.monotonic_ns
"""Monotonic time in ns, comparable between the processes of this machine."""


def wall_ns() -> int:
    """Wall time in ns since 1970."""
    return time.time_ns()


def next_beat(now_s: float, period_s: float) -> float:
    """The next multiple of a period by an event loop's clock that is more than half a period away. Pure.

    Timers that come again and again and are set so come together: an idle process wakes up once for all of them.
    """
    return (math.floor(now_s / period_s + 0.5) + 1) * period_s


def samples_to_ns(samples: int, rate: int = MEDIA_RATE) -> int:
    """Duration of `samples` at `rate` Hz in ns, rounded down."""
    return samples * NS // rate


def ns_to_samples(ns: int, rate: int = MEDIA_RATE) -> int:
    """Number of whole samples at `rate` Hz in `ns`, rounded down (towards minus infinity)."""
    return ns * rate // NS


def ntp_from_wall(ns: int) -> int:
    """64-bit NTP timestamp (32.32 fixed point, RFC 3550, section 4) of a wall time in ns."""
    seconds, rest = divmod(ns, NS)
    return ((seconds + _NTP_EPOCH_OFFSET_S) << 32) | ((rest << 32) // NS)

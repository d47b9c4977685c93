"""How much of what a listener is sent comes again, by what it loses: the level of its redundancy. Pure.

| level | each packet | a frame is missing if lost are | bytes |
|---|---|---|---|
| 0 | its frame | its packet | 1 |
| 1 | and the one before (`rtcserver.encode.red`) | its packet and the next | 2 |
| 2 | the same, every second packet twice (`COPIED_AT`) | its packet, the next, and the copy of one of the two | 3 |

Level 2 could be two earlier frames instead, at the same cost. But a browser's jitter buffer takes each earlier frame for
a late arrival and grows with its age, while SRTP drops copies that are not needed before the buffer sees them.

A listener gets this only while it loses packets. The loop looks at the share of packets that the network lost in intervals
(`rtcserver.peer.losses`). At level 2 receivers report about half of it: the copies of the rest have come, so the share
is worked out from what they miss.

- up: at once, to 1 for losses of more than `SMALL`, to 2 for more than `MANY` that are no accident of a short interval;
- down: by one after `CALM_S` without a reason for the present level.

In Studio light nothing waits for what is late, so there level 2 is two earlier frames (`deep`): they repair two lost packets
in a row, and packets carry what is sent again, without headers of its own. Its pages report each second, so that a clean
network is known after `DEEP_CALM_S`.

A listener that reports losses that are not true gets at most three times the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rtcserver.broadcast.listener import redundant_kind
from rtcserver.peer.losses import SMALL, LossShare, lost_with_half_copied

MAX_LEVEL = 2
FIRST_LEVEL = 1
"""Until it is known whether there are losses: the first of them would be heard otherwise."""
COPIED_AT = (0, 0, 2)
"""By level: packets of which sequence numbers are sent twice, those that this divides; 0: none."""
BYTES_AT = (1.0, 1.0, 1.5)
"""By level: how much more is sent for the copies."""
CALM_S = 30.0
DEEP_CALM_S = 8.0
"""The same while a page that reports each second has not lost anything yet."""
MANY = 0.02
"""Share of lost packets of which one earlier frame leaves too many missing: as much of them where losses are independent,
and a fifth where they come in short bursts, as on busy Wi-Fi."""
MAX_MISSING = 512
"""Sequence numbers asked for between two reports that count."""


class Redundancy:
    """One listener's level. opus, red: its payload types. most: the highest level that it may have, from 1. deep: whether
    level 2 is a second earlier frame."""

    def __init__(self, opus: int, red: int, most: int = MAX_LEVEL, *, deep: bool = False) -> None:
        self.level = FIRST_LEVEL
        self.most = most
        self.has_copied = False
        """Whether packets were ever sent twice: more may have come than were sent once."""
        self._limit: int | None = None
        self._opus, self._red = opus, red
        self._missing: set[int] = set()
        self._calm_s = 0.0
        self._share = LossShare()
        self._deep = deep
        self._lossy = False
        """Whether there ever was a reason for a level."""

    def payload(self, encoding: str) -> tuple[str, int]:
        """Kind (`rtcserver.broadcast.listener`) and payload type of its packets of an encoding."""
        earlier = self.carried if self._deep else min(self.carried, 1)
        return redundant_kind(earlier, self._opus, encoding), self._red if earlier else self._opus

    @property
    def carried(self) -> int:
        """The level that is sent: `level`, or what `limit` says."""
        return self.level if self._limit is None else self._limit

    @property
    def copied(self) -> int:
        """Which packets are to be sent twice: see `COPIED_AT`."""
        return 0 if self._deep else COPIED_AT[self.carried]

    def limit(self, level: int) -> None:
        """Send this level instead of `level`, as the network carries no more (`rtcserver.peer.tiers`)."""
        self._limit = level
        self.has_copied |= self.copied > 0

    def covers(self, sequences: Iterable[int]) -> bool:
        """Whether packets that it asks for with a NACK are in those that follow. Each counts as lost in its next report."""
        if len(self._missing) < MAX_MISSING:
            self._missing.update(sequences)
        return self.carried > 0

    def forgive(self) -> None:
        """What was lost of late was lost since too much was sent: more of it would not repair that."""
        self.level = 0
        self._calm_s = 0.0
        self._share.clear()
        self._missing.clear()

    def report(self, expected: int, lost: int, elapsed_s: float) -> int:
        """The level after a report.

        expected, lost: packets of the interval; `lost` may be negative when late ones came. elapsed_s: its length.
        """
        share = self._share.add(expected, lost, elapsed_s, len(self._missing))
        if share is None:
            return self.level
        expected, elapsed_s = self._share.expected, self._share.elapsed_s
        self._share.clear()
        self._missing.clear()
        network = share if self._deep else network_share(share, self.carried)
        wanted = min(level_for(network, expected), self.most)
        self._lossy |= wanted > 0
        if wanted > self.level:
            self.level = wanted
            self._calm_s = 0.0
        elif wanted == self.level:
            self._calm_s = 0.0
        else:
            self._calm_s += elapsed_s
            if self._calm_s >= (CALM_S if self._lossy or not self._deep else DEEP_CALM_S):
                self.level -= 1
                self._calm_s = 0.0
        self.has_copied |= self.copied > 0
        return self.level


def network_share(missed: float, level: int) -> float:
    """The share of packets that the network loses (0 to 1), by that which a receiver misses at this level."""
    return lost_with_half_copied(missed) if COPIED_AT[level] else missed


def level_for(share: float, packets: int) -> int:
    """The level that a share of lost packets (0 to 1) of so many asks for."""
    if share <= SMALL:
        return 0
    # Two standard deviations above what may be: a second of a hundred packets loses three by accident.
    return MAX_LEVEL if share > MANY + 2 * math.sqrt(MANY / packets) else 1

"""How many earlier frames a listener's packets carry, by what it loses. Pure.

One earlier frame repairs every loss of a single packet, two repair losses of two in a row. Each costs the bytes of a
frame in every packet, so a listener gets them only while it loses packets. The loop looks at the share of packets that
were lost in intervals (`rtcserver.peer.losses`):

- up: at once, to one frame for losses of more than `SMALL`, to two where one would leave more than `LEFT_OVER` of the
  packets missing;
- down: by one after `CALM_S` without a reason for the present level.

A listener that reports losses that are not true gets at most `MAX_LEVEL` frames more in each packet.
"""

from __future__ import annotations

from collections.abc import Iterable

from rtcserver.broadcast.listener import redundant_kind
from rtcserver.encode.red import MAX_LEVEL
from rtcserver.peer.losses import SMALL, LossShare

FIRST_LEVEL = 1
"""Until it is known whether there are losses: the first of them would be heard otherwise."""
CALM_S = 30.0
LEFT_OVER = 0.002
"""Share of packets that one earlier frame may leave missing, where losses are independent: the square of their share."""
MAX_MISSING = 512
"""Sequence numbers asked for between two reports that count."""


class Redundancy:
    """One listener's level. opus, red: its payload types. most: the highest level that it may have, from 1."""

    def __init__(self, opus: int, red: int, most: int = MAX_LEVEL) -> None:
        self.level = FIRST_LEVEL
        self.most = most
        self.sent: int | None = None
        """Earlier frames that are sent instead of `level`, where the network carries fewer (`rtcserver.peer.tiers`)."""
        self._opus, self._red = opus, red
        self._missing: set[int] = set()
        self._calm_s = 0.0
        self._share = LossShare()

    def payload(self, encoding: str) -> tuple[str, int]:
        """Kind (`rtcserver.broadcast.listener`) and payload type of its packets of an encoding."""
        level = self.carried
        return redundant_kind(level, self._opus, encoding), self._red if level else self._opus

    @property
    def carried(self) -> int:
        """Earlier frames in each packet."""
        return self.level if self.sent is None else self.sent

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
        elapsed_s = self._share.elapsed_s
        self._share.clear()
        self._missing.clear()
        wanted = min(level_for(share), self.most)
        if wanted > self.level:
            self.level = wanted
            self._calm_s = 0.0
        elif wanted == self.level:
            self._calm_s = 0.0
        else:
            self._calm_s += elapsed_s
            if self._calm_s >= CALM_S:
                self.level -= 1
                self._calm_s = 0.0
        return self.level


def level_for(share: float) -> int:
    """The level that a share of lost packets (0 to 1) asks for."""
    if share <= SMALL:
        return 0
    return 1 if share * share <= LEFT_OVER else MAX_LEVEL

"""Which sequence numbers a listener can have been sent of late. Pure.

The broadcast process knows exactly, and looks each number up. So that requests for numbers that were never sent, or are
long gone, cost it nothing, the server leaves out what cannot be: it knows the first number, how many packets
there were some seconds ago, and how many there can have been since.
"""

from __future__ import annotations

from collections.abc import Iterable

from rtcserver.broadcast.group import MAX_HISTORY
from rtcserver.broadcast.listener import ListenerCounters

SENT_AT_ONCE = 200
"""Packets that may have been sent beyond what the time since the start tells."""
COUNTERS_AGE_S = 10
"""Counters of the broadcast process are never older: each listener's turn comes about every five seconds."""


def most_sent(elapsed_s: float, packets_per_s: float) -> int:
    """How many packets a listener can have been sent in `elapsed_s` since it was added, at most."""
    return SENT_AT_ONCE + int(elapsed_s * packets_per_s)


def may_be_kept(
    sequences: Iterable[int],
    first_sequence: int,
    elapsed_s: float,
    packets_per_s: float,
    counted: ListenerCounters | None,
) -> tuple[int, ...]:
    """Those of the numbers (mod 2¹⁶) that may have been sent and may still be kept.

    elapsed_s: since the listener was added. packets_per_s: at most. counted: the latest counters, if there are some.
    """
    steps = 0 if counted is None else counted.packets + counted.errors + counted.dropped
    most = most_sent(elapsed_s, packets_per_s)
    if counted is not None:
        most = min(most, steps + most_sent(COUNTERS_AGE_S, packets_per_s))
    oldest = max(0, steps - MAX_HISTORY)
    # What was sent last is before the number that comes next.
    start, width = first_sequence + oldest, most - oldest
    return tuple(sequence for sequence in sequences if (sequence - start) & 0xFFFF < width)

"""What one peer may ask for in a second, spent before the work is done. Pure.

A peer is authenticated, and may yet ask for more than it is worth: thousands of retransmissions, a thousand tiny
chunks in a datagram, an answer to each of many heartbeats. Each kind of work has a `Limit`, far above what a browser
needs; a peer's `PeerBudget` says for each piece of it whether it is done. What is over the limit is dropped, as a lossy
network would drop it, and counted as ``over_NAME``.

A leaky bucket each (GCRA, ITU-T I.371, in integer ns). What is dropped counts as well, up to `MEMORY_NS`: a flood
that goes on gets nothing done after its first burst, and a peer that has calmed down is heard again within `MEMORY_NS`
and the time that its burst takes to drain.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from rtcserver.clock import NS

MEMORY_NS = 2 * NS
"""For how long what is over the limit keeps a bucket full."""
FLOOD_PER_S = 400
"""Datagrams over the limits in a second, beyond which it is cheaper not to read the peer at all."""


class Limit(NamedTuple):
    """At most `per_second` on average, `burst` at once. bucket: which one it is in a `PeerBudget`."""

    bucket: int
    name: str
    per_second: int
    burst: int


CHECKS = Limit(0, "checks", 100, 100)
"""STUN. An agent sends a check each 50 ms while it connects (RFC 8445, section 14), later one in some seconds."""
KNOWN_CHECKS = 50
"""A second, of checks that are like the one before, which the broadcast process answers beside `CHECKS`: an agent whose path
is bound sends one in some seconds (RFC 7675, section 5.1), and Chromium 20 a second while it doubts that path."""
RECORDS = Limit(1, "records", 1000, 500)
"""DTLS records. A performer's page plays at most 500 messages a second; a Studio listener by DataChannel acknowledges
some 350."""
CHUNKS = Limit(2, "chunks", 1500, 1000)
"""SCTP chunks in them."""
ACKS = Limit(3, "acks", 200, 100)
"""SACKs of ours. One that is held back goes with the next: RFC 9260, section 6.2, asks for every second packet."""
REPLIES = Limit(4, "replies", 10, 20)
"""Other answers of SCTP. A heartbeat comes each 30 s (RFC 9260, section 8.3), one for each channel that is closed."""
RTCP = Limit(5, "rtcp", 1000, 500)
"""SRTCP datagrams. Chromium may ask for lost packets with each one that comes, 750 a second in Studio at most."""
NUMBERS = Limit(6, "numbers", 2000, 4000)
"""Sequence numbers that are asked for. After an outage Chromium asks for up to 250, some ten times."""
MEDIA = Limit(7, "media", 50, 50)
"""Datagrams that are of no use here: RTP, and what is no protocol."""
NEW_PATHS = Limit(8, "new_paths", 20, 40)
"""STUN that names the peer on paths that it has not bound, which anybody can send who has seen its ufrag: apart from
`CHECKS`, so that the peer's own are heard all the same."""
LIMITS = (CHECKS, RECORDS, CHUNKS, ACKS, REPLIES, RTCP, NUMBERS, MEDIA, NEW_PATHS)

HANDSHAKE_COST = 10
"""Records that a datagram costs before the handshake is complete: each may cost a signature."""


class _Bucket(NamedTuple):
    interval_ns: int
    burst_ns: int
    full_ns: int
    counter: str


_BUCKETS = tuple(
    _Bucket(
        NS // limit.per_second,
        limit.burst * (NS // limit.per_second),
        limit.burst * (NS // limit.per_second) + MEMORY_NS,
        f"over_{limit.name}",
    )
    for limit in LIMITS
)


class PeerBudget:
    """One peer's buckets. counters: where what is dropped is counted.

    over: datagrams, or parts of them, that were dropped so far.
    """

    __slots__ = ("_counters", "_empty_ns", "_since_ns", "_since_over", "over")

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._empty_ns = [0] * len(_BUCKETS)
        """When each bucket will have drained."""
        self._since_ns = self._since_over = 0
        self.over = 0

    def take(self, limit: Limit, now_ns: int, cost: int = 1) -> bool:
        """Whether `cost` more of a kind of work may be done now. If not, it is counted as dropped, once."""
        index = limit[0]
        bucket = _BUCKETS[index]
        empty = self._empty_ns[index]
        level = (empty - now_ns if empty > now_ns else 0) + cost * bucket.interval_ns
        if level <= bucket.burst_ns:
            self._empty_ns[index] = now_ns + level
            return True
        self._empty_ns[index] = now_ns + min(level, bucket.full_ns)
        self._counters[bucket.counter] += 1
        if limit is not ACKS:
            # Nothing is lost when an acknowledgement waits.
            self.over += 1
        return False

    def is_spent(self, limit: Limit, now_ns: int) -> bool:
        """Whether nothing more of a kind of work may be done now."""
        return self._empty_ns[limit[0]] - now_ns >= _BUCKETS[limit[0]].burst_ns

    def floods(self, now_ns: int) -> bool:
        """Whether more than `FLOOD_PER_S` were dropped in a second. To be asked after each one that was."""
        if now_ns - self._since_ns > NS:
            self._since_ns, self._since_over = now_ns, self.over
        return self.over - self._since_over > FLOOD_PER_S

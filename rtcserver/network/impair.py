"""What a bad network does to each datagram: a pure function of the seed, in virtual time.

Nothing here reads a clock or touches a socket; `rtcserver.network.relay` carries the decisions out.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

MS = 1_000_000
HEADER_BYTES = 28
"""What IPv4 (20 bytes) and UDP (8 bytes) add to each payload on a link with a limited rate (RFC 791, RFC 768)."""
_UINT64 = 1 << 64


@dataclass(frozen=True, slots=True)
class Impairment:
    """One direction of a network path. Probabilities are 0–1, times in ms.

    loss: chance that a datagram never arrives, over all.
    burst: mean length of the bad state, in datagrams; 1 makes losses independent.
    bad_loss, good_loss: chances of a loss in the bad state and outside of it. 1 and 0 lose whole runs (Gilbert's
    model); others are Gilbert and Elliott's. How often the bad state comes follows from `loss`.
    delay_ms: what every datagram takes. jitter_ms: uniform extra from 0 to this, order preserved.
    reorder: chance to be held back by another `reorder_ms`, letting later datagrams overtake.
    duplicate: chance to arrive twice, the copy `duplicate_ms` after the first.
    rate_bps: capacity of the link, 0 for unlimited, for payloads and `HEADER_BYTES` of each; what would wait over
    `queue_ms` for it is dropped.
    dark_ms: nothing at all passes for so long, from `dark_after_ms` after the first datagram on; 0 for never.
    """

    loss: float = 0.0
    burst: float = 1.0
    bad_loss: float = 1.0
    good_loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    reorder: float = 0.0
    reorder_ms: float = 25.0
    duplicate: float = 0.0
    duplicate_ms: float = 5.0
    rate_bps: int = 0
    queue_ms: float = 200.0
    dark_after_ms: float = 0.0
    dark_ms: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "bad_loss", "good_loss", "reorder", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, not in 0–1")
        if self.burst < 1:
            raise ValueError(f"burst is {self.burst}, not 1 or more")
        if not self.good_loss <= self.loss <= self.bad_loss:
            raise ValueError(f"loss is {self.loss}, not between good_loss and bad_loss")

    @property
    def bad_share(self) -> float:
        """Share of datagrams that meet the bad state."""
        span = self.bad_loss - self.good_loss
        return (self.loss - self.good_loss) / span if span else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


CLEAN = Impairment()


@dataclass(slots=True)
class Counters:
    """What happened in one direction, in datagrams except where a unit is named.

    received = lost + queue_full + what was sent on; `delivered` counts copies too, and the `spared`,
    which are not in `received`. delay_us: the planned delays of all that were not lost, added up, without copies and spared
    ones. late: what the relay added to the planned time.
    """

    received: int = 0
    received_bytes: int = 0
    spared: int = 0
    lost: int = 0
    reordered: int = 0
    duplicated: int = 0
    queue_full: int = 0
    delivered: int = 0
    delay_us: int = 0
    late_max_us: int = 0
    late_over_1ms: int = 0

    def add(self, other: Counters) -> None:
        """Sum everything up, but for the maximum."""
        for name in self.__slots__:
            if name != "late_max_us":
                setattr(self, name, getattr(self, name) + getattr(other, name))
        self.late_max_us = max(self.late_max_us, other.late_max_us)


@dataclass(slots=True)
class Path:
    """Decides for one direction of one client. Same seed, same datagram number: same accidents.

    The draws for datagram *n* depend on the seed and *n* only. What depends on those before it (bursts,
    order under jitter, the queue before a limited link) does so through the numbers given to `decide`.
    """

    impairment: Impairment
    seed: str
    counters: Counters = field(default_factory=Counters)
    _in_burst: bool = False
    _began_ns: int | None = None
    _last_ns: int = 0
    _link_free_ns: int = 0

    def decide(self, number: int, now_ns: int, size: int) -> list[int]:
        """Delivery times (ns, not before `now_ns`) of datagram `number` of `size` bytes of payload; [] if it is lost."""
        how, count = self.impairment, self.counters
        loss, jitter, reorder, duplicate = _draws(self.seed, number)
        count.received += 1
        count.received_bytes += size
        # The state moves on in the dark, too: what comes after it is what would have come.
        if self._is_lost(loss, number) or self._is_dark(now_ns):
            count.lost += 1
            return []
        start_ns = now_ns
        if how.rate_bps:
            start_ns = max(now_ns, self._link_free_ns)
            if start_ns - now_ns > how.queue_ms * MS:
                count.queue_full += 1
                return []
            start_ns += (size + HEADER_BYTES) * 8 * 1_000_000_000 // how.rate_bps
            self._link_free_ns = start_ns
        due = start_ns + round((how.delay_ms + jitter * how.jitter_ms) * MS)
        if reorder < how.reorder:
            count.reordered += 1
            due += round(how.reorder_ms * MS)
        else:
            due = self._last_ns = max(due, self._last_ns)
        count.delay_us += (due - now_ns) // 1000
        times = [due]
        if duplicate < how.duplicate:
            count.duplicated += 1
            times.append(due + round(how.duplicate_ms * MS))
        return times

    def spare(self, now_ns: int) -> list[int]:
        """Delivery time of a datagram that no accident befalls, only the delay; [] where the path is dark."""
        if self._is_dark(now_ns):
            self.counters.received += 1
            self.counters.lost += 1
            return []
        self.counters.spared += 1
        return [now_ns + round(self.impairment.delay_ms * MS)]

    def _is_dark(self, now_ns: int) -> bool:
        """Whether nothing passes at this moment; the first question sets the beginning."""
        if self._began_ns is None:
            self._began_ns = now_ns
        how = self.impairment
        return bool(how.dark_ms) and 0 <= now_ns - self._began_ns - how.dark_after_ms * MS < how.dark_ms * MS

    def _is_lost(self, draw: float, number: int) -> bool:
        """Two states: leave the bad one with 1/burst, enter it so that its share is `bad_share`."""
        how = self.impairment
        if how.burst == 1 or how.loss in (0, 1):
            return draw < how.loss
        leave = 1 / how.burst
        share = how.bad_share
        enter = min(1.0, leave * share / (1 - share)) if share < 1 else 1.0
        self._in_burst = draw >= leave if self._in_burst else draw < enter
        chance = how.bad_loss if self._in_burst else how.good_loss
        return chance == 1 or (chance > 0 and _draw_within(self.seed, number) < chance)


def _draws(seed: str, number: int) -> tuple[float, float, float, float]:
    """Four independent uniform numbers in [0, 1) that belong to this datagram."""
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=32).digest()
    first, second, third, fourth = (
        int.from_bytes(digest[place : place + 8], "little") / _UINT64 for place in (0, 8, 16, 24)
    )
    return first, second, third, fourth


def _draw_within(seed: str, number: int) -> float:
    """A fifth one, for losses within a state."""
    digest = hashlib.blake2b(f"{seed}/{number}/state".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / _UINT64

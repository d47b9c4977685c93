"""Which of its room's encodings a listener is sent, and how much redundancy its network carries. Pure.

Whoever is sent more than their network carries waits behind themselves: the queue before the slowest link fills, the
round trip grows, and what finds the queue full is lost. Losses alone do not tell that: radio loses packets however few
there are, and redundancy (`rtcserver.peer.redundancy`) repairs those, but makes a full queue worse. So the loop looks
at both, and at what it sends itself:

- A network is **overloaded** when it loses `HEAVY` of the packets in two intervals in a row, or `QUIET_LOSS` for
  `LASTING_S`, or `SOME` of them in two intervals in a row while the round trip has grown by `SLOW_S`, or when that stays
  grown by so much for `SLOW_FOR_S`. A queue makes every round trip longer, and a busy computer on the way only some: so
  it is the shortest one of the last 2 s that counts (`rtcserver.peer.base_delay`).
- Losses without a grown round trip are a **suspicion**: less is sent for `VERDICT_PACKETS`, the low encoding with all
  its redundancy where what arrived would allow more. If `SAME` of the share is lost all the same, the losses are
  innocent: it goes back, and losses that are not more than these tell nothing for `INNOCENT_S`, and twice as long after
  each further time.
- **Down**, at once: to what has arrived lately, where the losses tell how much that was, else by one rung.
- **Up**, by one rung after `HOLD_S` without a sign of overload, and twice as long after many losses and after each rung that
  did not hold, up to `MAX_HOLD_S`. Below the room's own encoding the rungs between are redundancy of the low one: what is
  too much for the network is then repaired by what was too much. The first long round trip on a new one ends it.
- The **high** encoding comes only after the network has carried more than it needs, as redundancy, for `PROVEN_S`, and
  after `HIGH_AFTER_S` without a loss; any need of redundancy takes it back.

What listeners tell may be wrong or a lie: it only chooses among the rungs there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rtcserver.encode.encoding import Encoding
from rtcserver.peer.base_delay import BaseDelay
from rtcserver.peer.redundancy import BYTES_AT, network_share

PACKET_BYTES = 20 + 8 + 12 + 16
"""Around a payload: IPv4, UDP, RTP, the tag of AES-GCM."""
BLOCK_BYTES = 5
"""What an earlier frame adds beside itself (RFC 2198, section 3), with the byte of the newest shared out."""

INTERVAL_S = 1.0
"""Reports may come more often: in less than this, chance counts for too much."""
MIN_PACKETS = 20
"""Packets that an interval has at least."""
HEAVY = 0.3
"""Share of losses that no redundancy repairs, so that sending less cannot be wrong."""
SAME = 0.5
"""Share of the share: about as much is lost as before, though less is sent. Of an overload hardly anything would be left."""
HOPELESS = 0.45
"""Share of losses that is never innocent: a network that loses half of so little carries no music, and more will not do."""
MORE = 2.0
"""Share of the share: more than what was innocent."""
VERDICT_PACKETS = 90
"""So many packets after the step down decide that: of fewer, chance counts for too much."""
INNOCENT_S = 300.0
MAX_INNOCENT_S = 4_800.0
LASTING_S = 8.0
SOME = 0.05
"""Share of losses that is a full queue's, if the round trip has grown, too."""
SLOW_S = 0.15
"""Growth of the round trip that is a queue, not the air: Wi-Fi's own waits stay below for the most part."""
SLOW_FOR_S = 2.0
"""For so long it must have grown, without losses, to count: phones that save power make single round trips long."""
QUIET_S = 0.06
"""Growth of the round trip up to which there is no queue to speak of."""
QUIET_LOSS = 0.1
"""Share of losses up to which nothing speaks against going up: the air loses so much, and redundancy repairs it."""
QUIET_JITTER_S = 0.08
SETTLE_S = 1.5
"""After a change, what was sent before it is still on the way, and says nothing about the new rung."""
DRAIN_S = 6.0
"""Time that a queue gets to become shorter after a step down, before the next one."""
HEADROOM = 0.95
"""Share of what has arrived that is sent after an overload: the queue has to drain."""
HOLD_S = 30.0
"""Without a sign of overload for so long, the next rung is tried."""
MAX_HOLD_S = 960.0
FORGIVE_S = 120.0
"""A rung that held for so long makes the waiting time `HOLD_S` again."""
HEAVY_HOLDS = 2
"""Who lost `HEAVY` waits so many times as long: what they are sent then is far less, and the next rung twice as much."""
NO_RED_HOLDS = 2
"""Whose browser knows no redundancy waits so many times as long: to try is to lose then."""
MAX_ROUND_TRIP_S = 10.0
"""A round trip that is longer is not believed."""
STALE_S = 10.0
"""A round trip that is older says nothing about this moment."""
PROVEN_S = 10.0
HIGH_AFTER_S = 40.0
OVERLOAD_S = 3.0
"""After a sign of overload, losses count for no redundancy, and nothing is sent again, for so long."""


def wire_bps(encoding: Encoding, level: int) -> float:
    """Bits a second of an encoding with a level of redundancy (`rtcserver.peer.redundancy`), headers included."""
    packets_per_s, earlier = 1000 / encoding.frame_ms, min(level, 1)
    once = encoding.bitrate_bps * (1 + earlier) + packets_per_s * 8 * (PACKET_BYTES + BLOCK_BYTES * earlier)
    return once * BYTES_AT[level]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a listener is sent: an encoding by name, with a level of redundancy."""

    encoding: str
    level: int


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder: redundancy up to `level`; exactly so much where `probes`."""

    encoding: Encoding
    level: int
    probes: bool

    @property
    def bps(self) -> float:
        """Bits a second at most."""
        return wire_bps(self.encoding, self.level)


@dataclass(frozen=True, slots=True)
class Trial:
    """A suspicion. before: the rung that was left. fits: the one for the case that it is right. share: what was lost."""

    before: int
    fits: int
    share: float


class Tiers:
    """One listener's.

    low, own, high: encodings of its room; None where there is none. levels: the highest level of redundancy, 0 for
    whom it is of no use. now_s: any monotonic clock.
    """

    def __init__(
        self, own: Encoding, *, low: Encoding | None, high: Encoding | None, levels: int, now_s: float
    ) -> None:
        self.pinned: Encoding | None = None
        self._own, self._high = own, high
        self._levels = levels
        steps = range(levels + 1)
        below = [Rung(low, level, True) for level in steps] if low is not None else []
        # A rung below the room's own encoding has to cost less than it.
        below = [rung for rung in below if rung.bps < wire_bps(own, 0)]
        self._ladder = [*below, *(Rung(own, level, False) for level in steps)]
        self._rung = len(self._ladder) - 1
        self._wanted = 0
        self._sent: Choice | None = None
        self._copies = 1
        self._sent_bps = wire_bps(own, 0)
        self._bad_s = self._wanting_s = now_s
        self._changed_s = -math.inf
        self._raised_s = -math.inf
        self._hold_s = self._first_hold_s
        self._high_after_s = HIGH_AFTER_S
        self._is_high = False
        self._carried_since_s = now_s
        self._proven_bps = 0.0
        self._overload_until_s = -math.inf
        # The interval that is being counted.
        self._since_s = now_s
        self._expected = self._lost = 0
        self._heavy: list[float] = []
        """Shares of losses of the intervals in a row that lost too much."""
        self._queues = 0
        """Intervals in a row that lost some while the round trip was longer."""
        self._unsettled = False
        """Whether the last interval lost too much, but cannot be judged: the change before it is too fresh."""
        self._trial: Trial | None = None
        self._tried, self._tried_lost = 0, 0.0
        """Packets since the trial began."""
        self._innocent_share = 0.0
        self._innocent_until_s = -math.inf
        self._innocent_s = INNOCENT_S
        self._lossy: list[tuple[float, float]] = []
        """Intervals in a row that lost more than the air does for the most part: when, and their shares."""
        # The round trip.
        self._base = BaseDelay()
        self._grown_s = 0.0
        self._measured_s = -math.inf
        self._slow_since_s: float | None = None
        self._grown_then_s = 0.0

    @property
    def encodings(self) -> frozenset[str]:
        """Names of those that it may choose from."""
        higher = () if self._high is None else (self._high.name,)
        return frozenset((*(rung.encoding.name for rung in self._ladder), *higher))

    @property
    def _first_hold_s(self) -> float:
        return HOLD_S if self._levels else HOLD_S * NO_RED_HOLDS

    def overloaded(self, now_s: float) -> bool:
        """Whether the network was overloaded of late: losses are no reason to send anything again then."""
        return now_s < self._overload_until_s

    @property
    def suspicious(self) -> bool:
        """Whether the losses of the last interval may be those of an overload: more redundancy has to wait for the next."""
        return bool(self._heavy) or self._queues > 0 or self._unsettled or self._trial is not None

    def reception(self, expected: int, lost: int, jitter_s: float | None, now_s: float) -> None:
        """A receiver report that can be true. lost may be negative, when late packets came."""
        self._expected += expected
        self._lost += lost
        if now_s - self._since_s < INTERVAL_S or self._expected < MIN_PACKETS:
            return
        expected, lost = self._expected, max(0, self._lost)
        share = min(1.0, lost / expected)
        if self._sent is not None:
            share = network_share(share, self._sent.level)
        self._since_s, self._expected, self._lost = now_s, 0, 0
        self._unsettled = now_s - self._changed_s < SETTLE_S and share >= HEAVY
        if now_s - self._changed_s < SETTLE_S:
            return
        grown_s = self._grown_s if now_s - self._measured_s < STALE_S else 0.0
        if self._trial is not None:
            self._tried, self._tried_lost = self._tried + expected, self._tried_lost + share * expected
            # Where copies repair half of the losses, as many packets tell less.
            level = 0 if self._sent is None else self._sent.level
            if self._tried >= VERDICT_PACKETS * BYTES_AT[level]:
                self._judge(self._trial, grown_s, now_s)
            return
        suspect = now_s >= self._innocent_until_s or share > MORE * self._innocent_share
        self._heavy = [*self._heavy, share] if suspect and share >= HEAVY else []
        # A single interval with fewer of them is chance: this one and the last count together then.
        recent = max(share, (share + self._lossy[-1][1]) / 2) if self._lossy else share
        self._lossy = [*self._lossy, (now_s, share)] if suspect and recent >= QUIET_LOSS else []
        lasting = bool(self._lossy) and now_s - self._lossy[0][0] >= LASTING_S
        self._queues = self._queues + 1 if share >= SOME and grown_s >= SLOW_S else 0
        if self._queues >= 2:
            self._down(HEADROOM * self._sent_bps * (1 - share), now_s)
        elif len(self._heavy) >= 2 or lasting:
            self._try_less(sum(share for _, share in self._lossy) / len(self._lossy), now_s)
        elif (suspect and share > QUIET_LOSS) or grown_s > QUIET_S or (jitter_s or 0.0) > QUIET_JITTER_S:
            self._bad_s = now_s
        else:
            self._up(now_s)
        if share > 0:
            self._carried_since_s = now_s

    def round_trip(self, round_trip_s: float, now_s: float) -> None:
        """A round trip of this moment, from a report or from the page."""
        if not 0 < round_trip_s <= MAX_ROUND_TRIP_S:
            return
        self._grown_s = self._base.add(round_trip_s, now_s)
        self._measured_s = now_s
        if self._grown_s > QUIET_S:
            self._bad_s = self._carried_since_s = now_s
        if self._grown_s < SLOW_S:
            self._slow_since_s = None
            return
        if self._slow_since_s is None:
            self._slow_since_s = now_s
        if self._probing(now_s):
            self._down(0.99 * self._sent_bps, now_s)
            return
        drains = now_s - self._changed_s < DRAIN_S or self._grown_s < 0.8 * self._grown_then_s
        if now_s - self._slow_since_s >= SLOW_FOR_S and not drains:
            self._down(0.99 * self._sent_bps, now_s)

    def _probing(self, now_s: float) -> bool:
        """Whether more is being tried on a network that did not carry more of late, and the trial is fresh."""
        return self._ladder[self._rung].probes and now_s - self._raised_s < PROVEN_S

    def choose(self, wanted: int, now_s: float, *, copies: int = 1) -> Choice:
        """What to send from now on.

        wanted: the level of redundancy that the losses ask for, from 0. copies: how often each packet is sent.
        """
        if wanted:
            self._wanting_s = now_s
        self._wanted = min(wanted, self._levels)
        self._consider_high(now_s)
        rung = self._ladder[self._rung]
        if self.pinned is not None:
            encoding, most = self.pinned, rung.bps
            levels = (level for level in range(self._wanted, 0, -1) if wire_bps(encoding, level) <= most)
            level = next(levels, 0)
        elif self._is_high and self._high is not None:
            encoding, level = self._high, 0
        else:
            encoding = rung.encoding
            level = rung.level if rung.probes else min(self._wanted, rung.level)
        choice = Choice(encoding.name, level)
        if (choice, copies) != (self._sent, self._copies):
            if self._sent is not None:  # before the first choice nothing was on the way
                self._changed_s = self._carried_since_s = now_s
                self._grown_then_s = self._grown_s
                self._heavy, self._queues = [], 0
            self._sent, self._copies = choice, copies
            self._sent_bps = copies * wire_bps(encoding, level)
        return choice

    def _try_less(self, share: float, now_s: float) -> None:
        """Find out whether less is lost when less is sent."""
        if share >= HEAVY:
            self._hold_s = max(self._hold_s, HEAVY_HOLDS * self._first_hold_s)
        fits = min(self._rung, self._fitting(HEADROOM * self._sent_bps * (1 - share)))
        # The most redundant of the low encoding: what is lost meanwhile is heard least.
        repaired = max((number for number, rung in enumerate(self._ladder) if rung.probes), default=fits)
        trial = Trial(self._rung, fits, share)
        if fits <= repaired:
            self._down(HEADROOM * self._sent_bps * (1 - share), now_s)
        else:
            self._rung = repaired
            self._bad_s = now_s
        self._heavy, self._lossy = [], []
        if self._rung < trial.before or self._copies > 1:
            self._trial, self._tried, self._tried_lost = trial, 0, 0
        elif share < HOPELESS:
            self._acquit(share, now_s)

    def _judge(self, trial: Trial, grown_s: float, now_s: float) -> None:
        """Whether as much was lost in the trial as before it; then it is taken back."""
        self._trial = None
        share = self._tried_lost / self._tried
        if SAME * trial.share <= share < HOPELESS and grown_s < SLOW_S:
            self._rung = trial.before
            self._acquit(trial.share, now_s)
        elif trial.fits > self._rung:
            self._rung = trial.fits
            self._overload_until_s = now_s + OVERLOAD_S

    def _acquit(self, share: float, now_s: float) -> None:
        """So many losses are innocent."""
        probes = [number for number, rung in enumerate(self._ladder) if rung.probes]
        if self._rung in probes:
            # What is lost at random needs the repair most where it costs least.
            self._rung, self._raised_s = probes[-1], now_s
        self._innocent_share = share
        self._innocent_until_s = now_s + self._innocent_s
        self._innocent_s = min(2 * self._innocent_s, MAX_INNOCENT_S)
        self._overload_until_s = now_s

    def _fitting(self, most_bps: float) -> int:
        """The highest rung that costs no more, or the lowest."""
        fitting = [number for number, rung in enumerate(self._ladder) if rung.bps <= most_bps]
        return fitting[-1] if fitting else 0

    def _down(self, most_bps: float, now_s: float) -> None:
        """The network carries no more than `most_bps`."""
        self._heavy = []
        self._bad_s = now_s
        self._overload_until_s = now_s + OVERLOAD_S
        self._proven_bps = 0.0
        self._slow_since_s = None
        self._lossy = []
        if self._is_high:
            self._leave_high()
        self._trial = None
        self._queues = 0
        rung = self._fitting(most_bps)
        if rung < self._rung:
            if now_s - self._raised_s < FORGIVE_S:
                self._hold_s = min(2 * self._hold_s, MAX_HOLD_S)
            self._rung = rung

    def _up(self, now_s: float) -> None:
        """Nothing speaks against more."""
        if self._raised_s > self._bad_s and now_s - self._raised_s >= FORGIVE_S:
            self._hold_s = self._first_hold_s
        top = len(self._ladder) - 1
        # What did not fail on the way up need not be tried for long.
        waited_s = now_s - max(self._bad_s, self._changed_s)
        climbing = self._raised_s > self._bad_s and self._ladder[self._rung].probes
        if self._rung < top and waited_s >= (PROVEN_S if climbing else self._hold_s):
            self._rung += 1
            self._raised_s = now_s
            self._base.renew()
        if now_s - self._carried_since_s >= PROVEN_S:
            self._proven_bps = max(self._proven_bps, self._sent_bps)

    def _consider_high(self, now_s: float) -> None:
        if self._high is None:
            return
        if self._is_high and (self._wanted or self._rung < len(self._ladder) - 1):
            self._leave_high()
        elif (
            not self._is_high
            and not self._wanted
            and self._rung == len(self._ladder) - 1
            and self._proven_bps >= wire_bps(self._high, 0)
            and now_s - max(self._wanting_s, self._bad_s) >= self._high_after_s
        ):
            self._is_high = True

    def _leave_high(self) -> None:
        self._is_high = False
        self._high_after_s = min(2 * self._high_after_s, MAX_HOLD_S)

"""What one listener's RTCP says of its sound: what it misses, and how much it loses. No I/O; the caller gives the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from rtcserver.broadcast.listener import ListenerCounters
from rtcserver.clock import MEDIA_RATE, NS
from rtcserver.encode.encoding import HIGH, LOW, TIERS, Encoding
from rtcserver.errors import PeerError
from rtcserver.peer.duplication import Duplication
from rtcserver.peer.reception import Reception, ReceptionJudge
from rtcserver.peer.redundancy import Redundancy
from rtcserver.peer.sent import may_be_kept, most_sent
from rtcserver.peer.tiers import Tiers
from rtcserver.rate import RateLimit
from rtcserver.sdp.offer import OfferSummary
from rtcserver.transport.rtcp import ReportBlock

REPORTS_PER_S = 20
"""Receiver reports of one listener that are judged. Chromium sends one with each request for lost packets."""


PAGE_NS = 5 * NS
"""A page that has reported its losses within this time is believed rather than receiver reports."""


class PageCount(NamedTuple):
    """What a page in Studio light has counted since its session began: packets that came by themselves, and others."""

    packets: float
    missed: float
    at_ns: int


class Feedback:
    """One listener's.

    first_sequence: of the first packet that it was sent. counters: the session's, and totals those of all sessions;
    both are added to. said: what the session tells of its reception, by name, kept up to date. clock_step: samples at
    48 kHz in one unit of its RTP timestamps.
    """

    def __init__(
        self,
        first_sequence: int,
        counters: Counter[str],
        totals: Counter[str],
        said: dict[str, object],
        *,
        clock_step: int = 1,
    ) -> None:
        self.packets_per_s = 0.0
        """Packets that it is sent, at most."""
        self.connected_ns = 0
        """When the first of them was sent."""
        self.redundancy: Redundancy | None = None
        """None for a listener that gets no earlier frames."""
        self.duplication: Duplication | None = None
        """None for a listener that never gets a packet twice."""
        self.reliable = False
        """Whether its packets go by TCP, where nothing is lost on the way: what is missing found no room, and to send it
        twice would take more."""
        self.tiers: Tiers | None = None
        """None for a listener that is sent one encoding, whatever its network does."""
        self.pinned: str | None = None
        """The tier that its page has chosen."""
        self._encodings: Mapping[str, Encoding] = {}
        self._tiers_reliable = False
        self._first_sequence = first_sequence
        self._counters, self._totals, self._said = counters, totals, said
        self._clock_step = clock_step
        self._judge = ReceptionJudge(first_sequence)
        self._reports = RateLimit(REPORTS_PER_S, REPORTS_PER_S)
        self._reported_ns = 0
        self._page: PageCount | None = None
        """The last one."""

    def choose(self, offer: OfferSummary, earlier_frames: int) -> None:
        """How its losses are to be repaired: by earlier frames in each packet where its offer has RED (`earlier_frames`:
        the highest level of `Redundancy`), by a copy of each packet where it has neither RED nor NACK, else by what it asks
        for."""
        red = offer.red_payload_type
        if red is not None and earlier_frames:
            self.redundancy = Redundancy(offer.payload_type, red, earlier_frames)
        elif "nack" not in offer.rtcp_fb:
            self.duplication = Duplication()

    def begin_light(self, offer: OfferSummary, earlier_frames: int | None) -> None:
        """Studio light begins: earlier frames in each packet where its offer has RED, else a copy of each. earlier_frames:
        at most; None for neither."""
        self.end_light()
        red = offer.red_payload_type
        if earlier_frames and red is not None:
            self.redundancy = Redundancy(offer.payload_type, red, earlier_frames, deep=True)
        elif earlier_frames is not None:
            self.duplication = Duplication()

    def end_light(self) -> None:
        """Exact samples repair their losses by themselves (`rtcserver.room.studio`)."""
        self.redundancy = self.duplication = self._page = None

    def payload(self, encoding: str, plain: int) -> tuple[str, int]:
        """Kind and payload type of its packets of an encoding. plain: the payload type of those without earlier frames."""
        if self.redundancy is None or self.reliable:
            return encoding, plain
        return self.redundancy.payload(encoding)

    def offer_tiers(self, encodings: Mapping[str, Encoding], own: str, now_ns: int) -> None:
        """Let its network decide between the tiers that a room has. own: the encoding that it begins with."""
        if own != TIERS["middle"] or own not in encodings:
            return
        self._encodings = encodings
        self._make_tiers(now_ns)

    def _make_tiers(self, now_ns: int) -> None:
        encodings = self._encodings
        own, better = encodings[TIERS["middle"]], encodings.get(HIGH)
        if better is not None and better.bitrate_bps <= own.bitrate_bps:
            better = None
        levels = 0 if self.redundancy is None or self.reliable else self.redundancy.most
        self._tiers_reliable = self.reliable
        self.tiers = Tiers(own, low=encodings.get(LOW), high=better, levels=levels, now_s=now_ns / NS)
        self.tiers.pinned = None if self.pinned is None else encodings[TIERS[self.pinned]]

    @property
    def tier_rates(self) -> dict[str, int]:
        """The tiers that it may be sent, from the best on, and their bits a second; none where it is not asked."""
        there = () if self.tiers is None else self.tiers.encodings
        return {tier: self._encodings[name].bitrate_bps for tier, name in TIERS.items() if name in there}

    def frame_ms(self, encoding: str) -> float:
        """Duration of a frame of one of its encodings."""
        return self._encodings[encoding].frame_ms

    def pin(self, tier: str | None) -> None:
        """Send it this tier, whatever its network does; None: let that decide. Raises PeerError."""
        if self.tiers is None or (tier is not None and tier not in self.tier_rates):
            known = ", ".join(self.tier_rates) or "none"
            raise PeerError(409, "no_such_tier", f"This session has no tier {tier!r}; it has {known}.")
        self.pinned = tier
        self.tiers.pinned = None if tier is None else self._encodings[TIERS[tier]]

    def decide(self, encoding: str, now_ns: int) -> str:
        """The encoding that it is to be sent from now on; `encoding` is the present one. `payload` follows."""
        if self.tiers is None:
            return encoding
        if self.reliable != self._tiers_reliable:
            # Another way begins anew, and by TCP there are no earlier frames.
            self._make_tiers(now_ns)
        wanted = 0 if self.redundancy is None else self.redundancy.level
        twice = self.duplication is not None and self.copied > 0
        choice = self.tiers.choose(wanted, now_ns / NS, copies=2 if twice else 1)
        if self.redundancy is not None:
            self.redundancy.limit(choice.level)
        return choice.encoding

    @property
    def copied(self) -> int:
        """Which packets are to be sent twice: those whose sequence numbers this divides, 1: each, 0: none."""
        if self.reliable:
            return 0
        if self.redundancy is not None:
            return self.redundancy.copied
        return int(self.duplication is not None and self.duplication.on)

    def nack(
        self, sequences: Sequence[int], counted: ListenerCounters | None, now_ns: int
    ) -> tuple[int, ...]:
        """Which of the packets that it asks for are to be sent again. counted: its latest counters."""
        if self.reliable:
            self._counters["nacked_reliable"] += len(sequences)
            return ()
        if self.tiers is not None and self.tiers.overloaded(now_ns / NS):
            # What was lost was too much for the network: the same again would be, too.
            self._counters["nacked_overload"] += len(sequences)
            return ()
        kept = may_be_kept(sequences, self._first_sequence, self._since(now_ns), self.packets_per_s, counted)
        if len(kept) < len(sequences):
            self._totals["nacked_never_sent"] += len(sequences) - len(kept)
        if self.redundancy is not None and self.redundancy.covers(kept):
            # The packets after it have it. Sent again, too, it would only come later, and all sound with it.
            self._counters["nacked_redundant"] += len(kept)
            return ()
        if kept and self.duplication is not None:
            self.duplication.asked()
        if kept:
            self._counters["nacked"] += len(kept)
        return kept

    def reports(self, blocks: Iterable[ReportBlock], now_ns: int, now_ntp: int) -> list[Reception]:
        """What those of its reports say that can be true. now_ntp: the NTP time of the sender reports, 64 bits."""
        found = []
        for block in blocks:
            if not self._reports.take(now_ns):
                self._totals["reports_too_many"] += 1
            elif (reception := self._report(block, now_ns, now_ntp >> 16 & 0xFFFF_FFFF)) is not None:
                found.append(reception)
        return found

    def _report(self, block: ReportBlock, now_ns: int, ntp_mid: int) -> Reception | None:
        judge = self._judge
        sent = most_sent(self._since(now_ns), self.packets_per_s)
        copied = (self.duplication is not None and self.duplication.used) or (
            self.redundancy is not None and self.redundancy.has_copied
        )
        resent = self._counters["nacked"] + (sent if copied else 0)
        block = replace(block, jitter=block.jitter * self._clock_step)
        reception = judge.judge(block, sent, resent, ntp_mid)
        self._said |= {"reports": judge.reports, "left_out": judge.left_out}
        if reception is None:
            self._totals["reports_left_out"] += 1
            return None
        self._counters["lost"] = judge.lost
        self._said |= reception.values()
        if reception.jitter is not None:
            self._counters["jitter_48k"] = reception.jitter
        self.heard(reception, now_ns)
        return reception

    def heard(self, reception: Reception, now_ns: int) -> None:
        """Let what a report says that can be true decide what it is sent."""
        now_s = now_ns / NS
        elapsed_s = now_s - (self._reported_ns or self.connected_ns) / NS
        self._reported_ns = now_ns
        repairs = [repair for repair in (self.redundancy, self.duplication) if repair is not None]
        if self._page is not None and now_ns - self._page.at_ns < PAGE_NS:
            # The page knows better.
            repairs = []
        tiers = self.tiers
        if tiers is not None:
            if reception.round_trip_s is not None:
                tiers.round_trip(reception.round_trip_s, now_s)
            jitter_s = None if reception.jitter is None else reception.jitter / MEDIA_RATE
            tiers.reception(reception.expected, reception.lost, jitter_s, now_s)
            if tiers.overloaded(now_s):
                for repair in repairs:
                    repair.forgive()
            if tiers.overloaded(now_s) or tiers.suspicious:
                return
        for repair in repairs:
            repair.report(reception.expected, reception.lost, elapsed_s)

    def page_said(self, values: Mapping[str, float], now_ns: int) -> None:
        """A report of its page (`rtcserver.channel.telemetry.STATS_FIELDS`), once a second. Browsers without losses send
        receiver reports more rarely; where both come, the share that is lost stays what it is."""
        if self.tiers is None:
            return
        if (rtt_ms := values.get("rtt_ms")) is not None:
            self.tiers.round_trip(rtt_ms / 1000, now_ns / NS)
        packets, lost = int(values.get("packets", 0)), int(values.get("lost", 0))
        if packets and lost <= most_sent(1, self.packets_per_s):
            self.tiers.reception(packets + lost, lost, None, now_ns / NS)

    def light_said(self, values: Mapping[str, float], now_ns: int) -> None:
        """A report of a page in Studio (`rtcserver.channel.studio.REPORT_FIELDS`): its worker counts each packet."""
        before, page = self._page, PageCount(values.get("packets", 0.0), values.get("missed", 0.0), now_ns)
        if page.packets < 1 or (self.redundancy is None and self.duplication is None):
            return
        self._page = page
        if before is None:
            return
        elapsed_s = (now_ns - before.at_ns) / NS
        missed = page.missed - before.missed
        expected = page.packets - before.packets + missed
        if not 0 <= missed <= expected <= most_sent(elapsed_s, self.packets_per_s):
            self._totals["light_reports_left_out"] += 1
            return
        for repair in (self.redundancy, self.duplication):
            if repair is not None:
                repair.report(int(expected), int(missed), elapsed_s)

    def _since(self, now_ns: int) -> float:
        return (now_ns - self.connected_ns) / NS

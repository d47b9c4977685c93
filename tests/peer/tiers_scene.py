"""One listener behind a `Link` in virtual time: what it is sent follows what it reports, as in a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from rtcserver.clock import MEDIA_RATE, NS
from rtcserver.encode.encoding import encodings_of
from rtcserver.peer.feedback import Feedback
from rtcserver.peer.reception import Reception
from rtcserver.peer.redundancy import Redundancy
from rtcserver.peer.tiers import wire_bps
from tests.peer.network import STEP_S, Link, missed

ENCODINGS = encodings_of(160_000, 480)
PAGE_S = 2.5
"""Between two round trips that the page measures, as Chromium does."""


@dataclass
class Listener:
    """redundant: whether its offer has RED. reports_s: between two receiver reports. page: whether our page reports, too."""

    link: Link
    redundant: bool = True
    reports_s: float = 1.0
    page: bool = True
    now_s: float = 0.0
    encoding: str = "opus"
    history: list[tuple[float, str, int]] = field(default_factory=list)
    """(seconds, encoding, level of redundancy) from each change on."""
    lost: list[tuple[float, float]] = field(default_factory=list)
    """(seconds, share of the packets lost) of each step."""

    def __post_init__(self) -> None:
        self.feedback = Feedback(0, Counter(), Counter(), {})
        self.feedback.connected_ns = 1
        if self.redundant:
            self.feedback.redundancy = Redundancy(111, 63)
        self.feedback.offer_tiers(ENCODINGS, "opus", 0)
        self._expected = self._missing = 0
        self._reported_s = self._asked_s = 0.0

    def run(self, seconds: float, each: Callable[[Listener], None] = lambda listener: None) -> Listener:
        """Go on for so long. each: called before every step."""
        for _ in range(round(seconds / STEP_S)):
            each(self)
            self._step()
        return self

    def _step(self) -> None:
        self.now_s += STEP_S
        now_ns = int(self.now_s * NS) + 1
        self.encoding = self.feedback.decide(self.encoding, now_ns)
        level = self.feedback.redundancy.carried if self.feedback.redundancy is not None else 0
        if not self.history or self.history[-1][1:] != (self.encoding, level):
            self.history.append((round(self.now_s, 1), self.encoding, level))
        encoding = ENCODINGS[self.encoding]
        packets = round(STEP_S * 1000 / encoding.frame_ms)
        lost = self.link.send(wire_bps(encoding, level), packets)
        self.lost.append((self.now_s, lost / packets))
        self._expected += packets
        self._missing += missed(lost, self.link.chance, level, self.link.rng)
        if self.page and self.now_s - self._asked_s >= PAGE_S:
            self.feedback.page_said({"rtt_ms": 1000 * self.link.round_trip_s}, now_ns)
            self._asked_s = self.now_s
        if self.now_s - self._reported_s >= self.reports_s:
            jitter = int(self.link.jitter_s * MEDIA_RATE)
            reception = Reception(self._expected, self._missing, jitter, self.link.round_trip_s)
            self.feedback.heard(reception, now_ns)
            self._expected = self._missing = 0
            self._reported_s = self.now_s

    def share_lost(self, since_s: float) -> float:
        """Of the packets since then."""
        shares = [share for at_s, share in self.lost if at_s >= since_s]
        return sum(shares) / len(shares)

    def changes(self, since_s: float) -> int:
        """How often what it is sent has changed since then."""
        return sum(at_s >= since_s for at_s, _, _ in self.history)

    def heard(self, since_s: float) -> set[str]:
        """The encodings since then."""
        before = [encoding for at_s, encoding, _ in self.history if at_s < since_s][-1:]
        return {*before, *(encoding for at_s, encoding, _ in self.history if at_s >= since_s)}

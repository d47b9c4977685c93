"""Listeners that lie about what they lose get a bounded amount more than others.

The bound: in any time at most `MOST` times the bytes of a plain stream of the same length, and once the packets of a burst
that it may ask for. It is the level that bounds it (an earlier frame in each packet and every second one twice, or
each twice, or half of the packets sent again), and no two of them add up.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcserver.broadcast.engine import RESEND_BURST, BroadcastEngine
from rtcserver.broadcast.listener import PAYLOAD_CODED, parts_of
from rtcserver.clock import NS
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import RedundantPackets
from rtcserver.peer.duplication import Duplication
from rtcserver.peer.feedback import Feedback
from rtcserver.peer.redundancy import CALM_S, Redundancy
from rtcserver.transport.rtcp import ReportBlock
from tests.broadcast.listening import Listening

MOST = 3
FRAME, FRAME_NS = 480, 10_000_000
PAYLOAD = bytes(200)
"""Of 160 kb/s at 10 ms."""
HEADERS = 28
"""Bytes of IPv4 and UDP in front of each datagram."""
REPAIRS = ("redundancy", "duplication", "nack")


@dataclass
class Line:
    """A liar and an honest listener of one engine, in virtual time."""

    repair: str
    engine: BroadcastEngine
    liar: Listening
    plain: Listening
    now_ns: int = NS
    frame: int = 0
    told: int = 0
    got: list[int] = field(default_factory=list)
    """Bytes that the liar was sent, frame by frame."""

    def __post_init__(self) -> None:
        self.feedback = Feedback(self.liar.spec.first_sequence, Counter(), Counter(), {})
        self.feedback.packets_per_s = 100.0
        self.feedback.connected_ns = self.now_ns
        if self.repair == "redundancy":
            self.feedback.redundancy = Redundancy(111, 63)
        elif self.repair == "duplication":
            self.feedback.duplication = Duplication()
        self.red = RedundantPackets()
        for ear in (self.liar, self.plain):
            self.engine.add(ear.spec)
        self.adapt()

    def play(self) -> None:
        """A frame of 10 ms, as the broadcast process sends it."""
        packet = EncodedPacket(self.frame * FRAME, FRAME, self.now_ns, 1, PAYLOAD)
        self.engine.send("main", packet)
        self.red.push(packet)
        for kind in self.engine.kinds("main"):
            if (parts := parts_of(kind)).level:
                payload = self.red.payload(parts.level, parts.payload_type)
                self.engine.send("main", replace(packet, payload=payload), kind)
        self.now_ns += FRAME_NS
        self.engine.repeat(self.now_ns)
        self.frame += 1
        self.got.append(sum(len(data) + HEADERS for data in self.liar.drain()))
        self.plain_bytes = sum(len(data) + HEADERS for data in self.plain.drain())

    def adapt(self) -> None:
        """What a session tells the engine."""
        kind, payload_type = self.feedback.payload(PAYLOAD_CODED, 111)
        self.engine.set_kind(1, kind, payload_type)
        self.engine.set_copied(1, self.feedback.copied)

    def nack(self, back: int = 0, count: int = 60) -> None:
        """Ask for what was sent `back` packets ago and before."""
        newest = self.liar.spec.first_sequence + self.frame - 1 - back
        asked = [(newest - n) & 0xFFFF for n in range(count)]
        if kept := self.feedback.nack(asked, self.engine.counters(1), self.now_ns):
            self.engine.nack(1, kept)
        self.adapt()

    def report(self, lost: int) -> None:
        """Say that so many more were lost."""
        self.told += lost
        highest = self.liar.spec.first_sequence + max(0, self.frame - 1)
        block = ReportBlock(self.liar.spec.ssrc, 255 if lost > 0 else 0, self.told, highest, 0, 0, 0)
        self.feedback.reports([block], self.now_ns, 0)
        self.adapt()

    def check(self) -> None:
        """Any time is looked at, from the first frame that it has to the last."""
        packet = self.plain_bytes
        burst = RESEND_BURST * MOST * packet
        least = total = 0
        for number, got in enumerate(self.got, 1):
            total += got - MOST * packet
            least = min(least, total)
            assert total - least <= burst, f"{total - least} bytes too many until frame {number}"


Make = Callable[[str], Line]


@pytest.fixture
def line() -> Iterator[Make]:
    made: list[Line] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)

        def make(repair: str) -> Line:
            made.append(Line(repair, BroadcastEngine([sock]), Listening(1), Listening(2)))
            return made[-1]

        yield make
        for one in made:
            one.liar.sock.close()
            one.plain.sock.close()


@pytest.mark.parametrize("repair", REPAIRS)
def test_who_claims_all_lost_and_asks_for_all_gets_a_bounded_amount(line: Make, repair: str) -> None:
    one = line(repair)
    for number in range(1000):
        one.play()
        if number % 5 == 4:
            one.report(4)
            one.nack()
    one.check()
    # The lie brings something: the bound is near.
    share = sum(one.got) / (one.plain_bytes * len(one.got))
    assert {"redundancy": 2.3, "duplication": 1.4, "nack": 1.4}[repair] < share < MOST


def test_who_only_claims_gets_each_packet_twice(line: Make) -> None:
    one = line("duplication")
    for number in range(1000):
        one.play()
        if number % 5 == 4:
            one.report(4)
    one.check()
    assert 1.8 < sum(one.got) / (one.plain_bytes * len(one.got)) <= 2


def test_changing_between_the_levels_adds_nothing_up(line: Make) -> None:
    """Quiet until the level is 0, so that requests are answered, then all requests at once, then claims again."""
    one = line("redundancy")
    calm = round(100 * CALM_S) + 300
    for _ in range(2):
        for number in range(2 * calm):
            one.play()
            if number % 100 == 99:
                one.report(0)
        assert one.feedback.redundancy is not None
        assert one.feedback.redundancy.level == 0
        one.nack()
        for number in range(300):
            one.play()
            if number % 5 == 4:
                one.report(4)
                one.nack()
        assert one.feedback.redundancy.level == 2
    one.check()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 200)),
        st.tuples(st.just("nack"), st.integers(-100, 1000)),
        st.tuples(st.just("report"), st.integers(-1000, 1000)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("repair", REPAIRS)
@given(actions=ACTIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_lies_gets_more(line: Make, repair: str, actions: list[tuple[str, int]]) -> None:
    one = line(repair)
    one.play()
    for name, value in actions:
        if name == "play":
            for _ in range(value):
                one.play()
        elif name == "nack":
            one.nack(back=value)
        else:
            one.report(value)
    one.play()
    one.check()

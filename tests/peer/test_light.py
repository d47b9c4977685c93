"""How losses of Studio light are repaired: earlier frames by what its page reports, within bounds for a page that lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.channel.studio import parse_report
from rtcserver.clock import NS
from rtcserver.encode.encoding import LIGHT
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import RedundantPackets
from rtcserver.peer.feedback import PAGE_NS, Feedback
from rtcserver.peer.oneport_session import STUDIO_PACKETS_PER_S
from rtcserver.peer.reception import Reception
from rtcserver.peer.redundancy import CALM_S, DEEP_CALM_S, FIRST_LEVEL, MAX_LEVEL, Redundancy
from rtcserver.peer.sent import most_sent
from rtcserver.sdp.offer import check_offer
from tests.sdp.offers import load

PACKETS_PER_S = 200
OPUS, RED = 111, 63


def feedback_of(offer: str = "chromium", earlier_frames: int | None = 2) -> Feedback:
    """Of a session that has begun light at the time 0."""
    feedback = Feedback(1, Counter(), Counter(), {})
    feedback.packets_per_s = STUDIO_PACKETS_PER_S
    feedback.begin_light(check_offer(load(offer)), earlier_frames)
    return feedback


class Reports:
    """What a page says once a second."""

    def __init__(self, feedback: Feedback) -> None:
        self.feedback = feedback
        self.packets, self.missed, self.seconds = 1, 0, 0
        self.say()

    def say(self) -> None:
        values = {"packets": float(self.packets), "missed": float(self.missed)}
        self.feedback.light_said(values, self.seconds * NS)

    def second(self, missed: int) -> int:
        """One more second with so many missed packets; the level after it."""
        self.seconds += 1
        self.packets += PACKETS_PER_S - missed
        self.missed += missed
        self.say()
        assert self.feedback.redundancy is not None
        return self.feedback.redundancy.level


def test_deep_levels_are_earlier_frames_and_no_copies() -> None:
    deep = Redundancy(OPUS, RED, deep=True)
    assert deep.payload(LIGHT) == (f"{LIGHT}+1/{OPUS}", RED)
    deep.report(200, 20, 1.0)
    assert (deep.level, deep.copied, deep.has_copied) == (2, 0, False)
    assert deep.payload(LIGHT) == (f"{LIGHT}+2/{OPUS}", RED)
    shallow = Redundancy(OPUS, RED)
    shallow.report(200, 20, 1.0)
    assert (shallow.payload(LIGHT), shallow.copied) == ((f"{LIGHT}+1/{OPUS}", RED), 2)


def test_two_earlier_frames_are_whole_and_cost_at_most_three_times_the_bytes() -> None:
    packets = RedundantPackets()
    for number in range(3):
        packets.push(EncodedPacket(240 * number, 240, 0, 1, bytes([number]) * 120))
    payload = packets.payload(2, OPUS)
    assert payload.endswith(bytes([0]) * 120 + bytes([1]) * 120 + bytes([2]) * 120)
    assert len(payload) == 3 * 120 + 4 + 4 + 1


@pytest.mark.parametrize(("missed", "level"), [(0, 1), (1, 1), (3, 1), (20, 2)])
def test_the_first_report_that_tells_a_second_decides(missed: int, level: int) -> None:
    assert Reports(feedback_of()).second(missed) == level


def test_a_clean_network_is_known_soon_and_one_that_ever_lost_is_not_trusted_so_soon() -> None:
    clean = Reports(feedback_of())
    soon = round(DEEP_CALM_S)
    assert [clean.second(0) for _ in range(soon)] == [1] * (soon - 1) + [0]
    lossy = Reports(feedback_of())
    long = round(CALM_S)
    assert lossy.second(20) == 2
    assert [lossy.second(0) for _ in range(2 * long)] == [2] * (long - 1) + [1] * long + [0]


def test_losses_are_the_networks_at_every_level() -> None:
    """A page counts each packet that did not come by itself, whatever repaired it: the level stays while losses do."""
    reports = Reports(feedback_of())
    assert [reports.second(10) for _ in range(200)][5:] == [2] * 195


def test_no_level_is_above_what_the_room_allows() -> None:
    reports = Reports(feedback_of(earlier_frames=1))
    assert {reports.second(100) for _ in range(10)} == {1}


def test_without_red_each_packet_comes_twice_while_there_are_losses() -> None:
    feedback = feedback_of("firefox")
    assert feedback.redundancy is None
    assert feedback.payload(LIGHT, 109) == (LIGHT, 109)
    assert feedback.copied == 0
    for second, missed in enumerate((0.0, 0.0, 4.0)):
        feedback.light_said({"packets": 200.0 * (second + 1) - missed, "missed": missed}, second * NS)
    assert feedback.copied == 1
    nothing = feedback_of("firefox", None)
    assert (nothing.redundancy, nothing.duplication) == (None, None)
    nothing.light_said({"packets": 200.0, "missed": 100.0}, 0)
    nothing.light_said({"packets": 400.0, "missed": 300.0}, NS)
    assert nothing.copied == 0


def test_light_that_begins_again_knows_nothing_of_before() -> None:
    feedback = feedback_of()
    reports = Reports(feedback)
    assert reports.second(20) == 2
    feedback.end_light()
    assert (feedback.redundancy, feedback.duplication, feedback.copied) == (None, None, 0)
    # What is missed at the end of light, or of light beside the samples, is nobody's loss any more.
    reports.packets += PACKETS_PER_S
    reports.missed += PACKETS_PER_S
    reports.say()
    feedback.begin_light(check_offer(load("chromium")), 2)
    # The page goes on counting: what came before light began again is no report of it.
    reports.second(0)
    assert feedback.redundancy is not None
    assert feedback.redundancy.level == FIRST_LEVEL
    assert reports.second(0) == FIRST_LEVEL


def test_while_the_page_reports_receiver_reports_decide_nothing() -> None:
    feedback = feedback_of()
    reports = Reports(feedback)
    reports.second(0)
    feedback.heard(Reception(200, 100, None, None), reports.seconds * NS + 1)
    assert feedback.redundancy is not None
    assert feedback.redundancy.level == FIRST_LEVEL
    silent_ns = reports.seconds * NS + PAGE_NS + NS
    feedback.heard(Reception(200, 100, None, None), silent_ns)
    assert feedback.redundancy.level == MAX_LEVEL


IMPOSSIBLE: dict[str, Mapping[str, float]] = {
    "fewer packets than before": {"packets": 100.0, "missed": 0.0},
    "fewer misses than before": {"packets": 2_000.0, "missed": 5.0},
    "misses that nothing explains": {"packets": 900.0, "missed": 200.0},
    "more than was ever sent": {"packets": 1_000.0, "missed": 1e9},
    "more packets than in a second": {"packets": 1e9, "missed": 10.0},
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_report_that_cannot_be_true_is_left_out_and_counted(name: str) -> None:
    feedback = feedback_of()
    feedback.light_said({"packets": 1_000.0, "missed": 10.0}, NS)
    feedback.light_said(IMPOSSIBLE[name], 2 * NS)
    assert feedback._totals == {"light_reports_left_out": 1}
    assert feedback.redundancy is not None
    assert feedback.redundancy.level == FIRST_LEVEL
    # What it says from there on counts again.
    packets, missed = IMPOSSIBLE[name]["packets"], IMPOSSIBLE[name]["missed"]
    feedback.light_said({"packets": packets + 100, "missed": missed + 100}, 3 * NS)
    assert feedback.redundancy.level == MAX_LEVEL


@pytest.mark.parametrize("values", [{}, {"packets": 0.0}, {"missed": 50.0}, {"level_ms": 9.0}])
def test_a_report_without_packets_says_nothing(values: dict[str, float]) -> None:
    feedback = feedback_of()
    for second in range(3):
        feedback.light_said(values, second * NS)
    assert feedback.redundancy is not None
    assert (feedback.redundancy.level, feedback._totals) == (FIRST_LEVEL, Counter())


NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 400)
)


@given(
    st.sampled_from(["chromium", "firefox"]),
    st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 3 * NS)), max_size=40),
)
def test_whatever_a_page_says_it_gets_a_bounded_amount(
    offer: str, said: list[tuple[float, float, int]]
) -> None:
    """Through the limits of its messages: at most two earlier frames, or each packet twice, and never both."""
    feedback = feedback_of(offer)
    now_ns = 0
    for packets, missed, step_ns in said:
        now_ns += step_ns
        values = parse_report({"packets": packets, "missed": missed}).values
        feedback.light_said(values, now_ns)
        kind, payload_type = feedback.payload(LIGHT, OPUS)
        if offer == "chromium":
            assert kind in (LIGHT, f"{LIGHT}+1/{OPUS}", f"{LIGHT}+2/{OPUS}")
            assert (payload_type == RED) == (kind != LIGHT)
            assert feedback.copied == 0
        else:
            assert (kind, payload_type) == (LIGHT, OPUS)
            assert feedback.copied in (0, 1)


def test_a_page_that_claims_all_it_can_stays_within_the_bound_of_reports() -> None:
    """What it can have been sent is what bounds its misses, not what it says."""
    feedback = feedback_of()
    feedback.light_said({"packets": 1.0, "missed": 0.0}, 0)
    most = most_sent(1.0, STUDIO_PACKETS_PER_S)
    feedback.light_said({"packets": 1.0, "missed": float(most)}, NS)
    assert feedback._totals == Counter()
    feedback.light_said({"packets": 1.0, "missed": float(2 * most + 1)}, 2 * NS)
    assert feedback._totals == {"light_reports_left_out": 1}

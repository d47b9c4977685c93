"""Receiver reports: what real stacks say that cannot be true is left out, what can be true is counted.

The reports marked as observed came from the stacks named, over a network that lost nothing.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.peer.reception import MAX_JITTER, Reception, ReceptionJudge
from rtcserver.transport.rtcp import ReportBlock

FIRST = 1_000
NOW = 0x1234_5678
TRUE = ReportBlock(
    ssrc=1, fraction_lost=0, lost=0, highest_sequence=FIRST + 99, jitter=48, last_sr=0, delay_since_sr=0
)


def judged(
    judge: ReceptionJudge, block: ReportBlock, sent: int = 10_000, resent: int = 0
) -> Reception | None:
    return judge.judge(block, sent, resent, NOW)


def test_a_true_report() -> None:
    judge = ReceptionJudge(FIRST)
    assert judged(judge, TRUE, sent=100) == Reception(100, 0, 48, None)
    assert judged(judge, replace(TRUE, highest_sequence=FIRST + 199, lost=10, fraction_lost=25)) == Reception(
        100, 10, 48, None
    )
    assert (judge.lost, judge.reports, judge.left_out) == (10, 2, 0)


def test_the_sequence_number_counts_on_over_the_wrap() -> None:
    judge = ReceptionJudge(2**15 - 1)
    block = replace(TRUE, highest_sequence=2**15 - 2 + 70_000)
    assert judged(judge, block, sent=70_000) == Reception(70_000, 0, 48, None)


@pytest.mark.parametrize(
    "block",
    [
        # Observed of libdatachannel 0.24.5: all numbers before the first packet's count as lost.
        ReportBlock(1, 233, 1575, FIRST + 151, 0, 0, 0),
        # Observed of libdatachannel in node-datachannel 0.33.4: the number stands in the upper half.
        ReportBlock(1, 0, 0, 1_889_402_880, 0, 0, 0),
        # Observed of GStreamer 1.22: one packet more than were sent.
        ReportBlock(1, 0, -1, FIRST + 99, 45, 0, 0),
        replace(TRUE, highest_sequence=FIRST - 1),
        replace(TRUE, highest_sequence=FIRST + 152),
        replace(TRUE, lost=100, fraction_lost=255),
        replace(TRUE, jitter=MAX_JITTER + 1),
    ],
)
def test_what_cannot_be_true_is_left_out(block: ReportBlock) -> None:
    judge = ReceptionJudge(FIRST)
    assert judged(judge, block, sent=152) is None
    assert (judge.lost, judge.reports, judge.left_out) == (0, 1, 1)


@pytest.mark.parametrize("start", [1575, -1])
def test_a_wrong_start_does_not_spoil_what_follows(start: int) -> None:
    judge = ReceptionJudge(FIRST)
    assert judged(judge, replace(TRUE, lost=start)) is None
    assert judged(judge, replace(TRUE, lost=start, highest_sequence=FIRST + 199)) == Reception(
        100, 0, 48, None
    )
    third = replace(TRUE, lost=start + 5, highest_sequence=FIRST + 299, fraction_lost=12)
    assert judged(judge, third) == Reception(100, 5, 48, None)
    assert judge.lost == 5


@pytest.mark.parametrize(
    ("fraction", "lost", "true"),
    [
        (25, 10, True),
        (0, 10, True),  # the report of the interval with the losses was lost itself
        (51, 10, True),  # of the last half of this interval, after a report that was lost
        (128, 0, False),
        (128, -1, False),
        (255, 3, False),
    ],
)
def test_the_fraction_agrees_with_the_sum(fraction: int, lost: int, true: bool) -> None:
    judge = ReceptionJudge(FIRST)
    judged(judge, replace(TRUE, lost=20, fraction_lost=51))
    block = replace(TRUE, highest_sequence=FIRST + 199, fraction_lost=fraction, lost=20 + lost)
    assert (judged(judge, block) is not None) is true


def test_the_sum_falls_when_missing_packets_come_after_all() -> None:
    judge = ReceptionJudge(FIRST)
    judged(judge, replace(TRUE, lost=20, fraction_lost=51))
    late = replace(TRUE, highest_sequence=FIRST + 199, lost=5)
    assert judged(judge, late) == Reception(100, -15, 48, None)
    assert judge.lost == 5
    # More than were sent can only have come if some were sent again.
    more = replace(TRUE, highest_sequence=FIRST + 299, lost=-3)
    assert judged(ReceptionJudge(FIRST), more, resent=2) is None
    assert judged(judge, more, resent=3) == Reception(100, -8, 48, None)


def test_jitter_of_zero_is_none_measured() -> None:
    reception = judged(ReceptionJudge(FIRST), replace(TRUE, jitter=0))
    assert reception is not None
    assert reception.jitter is None
    assert "jitter_ms" not in reception.values()


@pytest.mark.parametrize(
    ("last_sr", "delay", "seconds"),
    [
        (NOW - 65_536 - 655, 65_536, 655 / 65_536),
        (0, 0, None),
        (NOW - 65_536, 0, None),  # answered at once: not measured
        (NOW - 65_536, 65_537, None),  # answered before it was sent
        (NOW - 11 * 65_536, 1, None),
    ],
)
def test_round_trip(last_sr: int, delay: int, seconds: float | None) -> None:
    block = replace(TRUE, last_sr=last_sr, delay_since_sr=delay)
    reception = judged(ReceptionJudge(FIRST), block)
    assert reception is not None
    assert reception.round_trip_s == seconds


def test_values_have_the_names_and_units_of_a_pages_report() -> None:
    assert Reception(100, 10, 48, 0.02).values() == {
        "packets": 90,
        "lost": 10,
        "jitter_ms": 1,
        "rtt_ms": 20,
    }


blocks = st.builds(
    ReportBlock,
    ssrc=st.just(1),
    fraction_lost=st.integers(0, 255),
    lost=st.integers(-(2**23), 2**23 - 1),
    highest_sequence=st.integers(0, 2**32 - 1) | st.integers(FIRST, FIRST + 500),
    jitter=st.integers(0, 2**32 - 1) | st.integers(0, 100),
    last_sr=st.integers(0, 2**32 - 1),
    delay_since_sr=st.integers(0, 2**32 - 1),
)


@given(st.lists(blocks, max_size=20))
def test_whatever_is_reported_no_more_is_lost_than_was_sent(reports: list[ReportBlock]) -> None:
    judge = ReceptionJudge(FIRST)
    for block in reports:
        judged(judge, block, sent=500)
        assert 0 <= judge.lost < 500
    assert judge.reports == len(reports)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 199), st.booleans()), max_size=20))
def test_an_honest_receiver_is_always_believed(intervals: list[tuple[int, int, bool]]) -> None:
    """Any losses, and reports that are lost, up to three in a row."""
    judge, highest, lost, missed = ReceptionJudge(FIRST), FIRST - 1, 0, 0
    for expected, gap, arrives in intervals:
        highest += expected
        here = min(gap, expected - 1)
        lost += here
        block = replace(TRUE, highest_sequence=highest, lost=lost, fraction_lost=256 * here // expected)
        missed = 0 if arrives or missed == 3 else missed + 1
        if missed == 0:
            assert judged(judge, block) is not None
            assert judge.lost == lost

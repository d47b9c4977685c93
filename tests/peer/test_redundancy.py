"""The level of redundancy follows losses up at once and down slowly, and stays where losses stay."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.peer.feedback import Feedback
from rtcserver.peer.losses import lost_with_half_copied
from rtcserver.peer.redundancy import (
    BYTES_AT,
    CALM_S,
    COPIED_AT,
    FIRST_LEVEL,
    MAX_LEVEL,
    Redundancy,
    level_for,
    network_share,
)
from rtcserver.sdp.offer import check_offer
from tests.peer.network import missed
from tests.sdp.offers import load


def after(*reports: tuple[int, int], each_s: float = 1.0) -> list[int]:
    """The levels after reports of so many packets that were expected, and lost."""
    redundancy = Redundancy(111, 63)
    return [redundancy.report(expected, lost, each_s) for expected, lost in reports]


@pytest.mark.parametrize(
    ("share", "packets", "level"),
    [
        (0.0, 100, 0),
        (0.0004, 5000, 0),
        (0.002, 500, 1),
        (0.01, 500, 1),
        (0.02, 500, 1),
        (0.03, 100, 1),  # three of a hundred may be an accident
        (0.03, 1000, 2),
        (0.05, 100, 2),
        (0.3, 100, 2),
        (1.0, 100, 2),
        (1.0, 1, 2),
    ],
)
def test_each_share_of_losses_has_its_level(share: float, packets: int, level: int) -> None:
    assert level_for(share, packets) == level


def test_a_level_costs_at_most_three_times_the_bytes() -> None:
    for level, every in enumerate(COPIED_AT):
        assert BYTES_AT[level] == 1 + (1 / every if every else 0)
        assert BYTES_AT[level] * (1 + min(level, 1)) == 1 + level <= 3
    assert len(COPIED_AT) == len(BYTES_AT) == MAX_LEVEL + 1


@given(st.floats(0, 1))
def test_what_the_copies_repair_is_counted_all_the_same(share: float) -> None:
    """Every second packet is missed when it is lost, the others when their copies are lost, too."""
    missed_then = share / 2 + share * share / 2
    assert math.isclose(lost_with_half_copied(missed_then), share, abs_tol=1e-12)
    assert network_share(missed_then, 1) == missed_then
    assert network_share(missed_then, 2) == lost_with_half_copied(missed_then)


@given(st.lists(st.tuples(st.integers(-10, 300), st.integers(-300, 300), st.floats(0, 10)), max_size=60))
def test_whatever_is_reported_the_level_is_one_that_there_is(reports: list[tuple[int, int, float]]) -> None:
    redundancy = Redundancy(111, 63)
    was = FIRST_LEVEL
    for report in reports:
        level = redundancy.report(*report)
        assert was - 1 <= level <= MAX_LEVEL
        assert redundancy.copied == (2 if level == 2 else 0)
        assert redundancy.has_copied or level < 2
        was = level


def test_losses_raise_it_at_once() -> None:
    assert after((100, 1), (100, 10)) == [1, 2]


def test_it_rises_no_higher_than_it_may() -> None:
    redundancy = Redundancy(111, 63, 1)
    assert [redundancy.report(100, 30, 1.0) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "earlier_frames", "repair"),
    [
        ("chromium", 2, "redundancy"),
        ("chromium", 0, "duplication"),
        ("firefox", 2, "duplication"),
        ("aiortc", 2, "duplication"),
        ("gstreamer", 2, "none"),
    ],
)
def test_each_offer_has_its_repair(name: str, earlier_frames: int, repair: str) -> None:
    feedback = Feedback(1, Counter(), Counter(), {})
    feedback.choose(check_offer(load(name)), earlier_frames)
    assert (feedback.redundancy is not None) == (repair == "redundancy")
    assert (feedback.duplication is not None) == (repair == "duplication")


def test_without_losses_it_falls_by_one_after_the_calm() -> None:
    seconds = round(CALM_S)
    levels = after((100, 10), *[(100, 0)] * 2 * seconds)
    assert levels == [2] * seconds + [1] * seconds + [0]


def test_one_loss_in_time_keeps_it() -> None:
    seconds = round(CALM_S)
    quiet = [(100, 0)] * (seconds - 1)
    assert set(after((100, 1), *quiet, (100, 1), *quiet, (100, 1))) == {1}


def test_it_falls_no_further_than_the_losses_that_stay() -> None:
    assert after((100, 10), *[(100, 1)] * 200)[-1] == 1


def test_late_packets_and_empty_reports_are_no_losses() -> None:
    assert after((100, -3), (0, 0), (-5, 0)) == [FIRST_LEVEL] * 3


@pytest.mark.parametrize("interval_s", [1, 5])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("loss", "levels"), [(0.05, {2}), (0.01, {1}), (0.2, {2})])
def test_steady_random_losses_do_not_make_it_swing(
    loss: float, levels: set[int], interval_s: int, seed: int
) -> None:
    chance = random.Random(seed)
    redundancy = Redundancy(111, 63)
    seen = []
    for _ in range(600):
        packets = 100 * interval_s
        lost = sum(chance.random() < loss for _ in range(packets))
        lost = missed(lost, loss, redundancy.level, chance)
        seen.append(redundancy.report(packets, lost, interval_s))
    # An interval of five seconds with few losses may pass; it does not come down for one.
    changes = sum(a != b for a, b in itertools.pairwise(seen[3:]))
    assert changes <= 4
    assert max(set(seen[3:]), key=seen[3:].count) in levels


def test_short_bursts_as_on_busy_wifi_bring_and_keep_the_second_level() -> None:
    """3 % lost, 1.25 in a row: reports each second, as with NACKs, and NACKs of what is missing."""
    for seed in range(5):
        chance = random.Random(seed)
        redundancy = Redundancy(111, 63)
        bad, sequence, levels = False, 0, []
        for _ in range(300):
            lost = 0
            for _ in range(100):
                sequence += 1
                copies = 2 if redundancy.copied and sequence % 2 == 0 else 1
                came = False
                for _ in range(copies):
                    bad = chance.random() < (0.2 if bad else 0.8 * 0.03 / 0.97)
                    came |= not bad
                lost += not came
            levels.append(redundancy.report(100, lost, 1.0))
        assert 2 in levels[:30]
        assert levels[30:].count(2) > 0.9 * len(levels[30:])


def test_what_is_asked_for_again_counts_as_lost() -> None:
    redundancy = Redundancy(111, 63)
    assert redundancy.covers([1, 2])
    assert redundancy.payload("opus") == ("opus+1/111", 63)
    for _ in range(round(CALM_S)):
        redundancy.report(100, 0, 1.0)
    # Asked for before the first report, it still was a reason for the level.
    assert redundancy.level == 1
    assert redundancy.report(100, 0, 1.0) == 0
    assert redundancy.payload("opus") == ("opus", 111)
    assert not redundancy.covers(range(7, 17))
    assert redundancy.report(100, 0, 1.0) == 2
    assert redundancy.payload("opus") == ("opus+1/111", 63)
    assert redundancy.copied == 2


def test_often_reports_do_not_make_a_single_loss_a_large_share() -> None:
    redundancy = Redundancy(111, 63)
    redundancy.covers([1])
    levels = [redundancy.report(5, 1 if n == 3 else 0, 0.05) for n in range(60)]
    assert set(levels) == {1}

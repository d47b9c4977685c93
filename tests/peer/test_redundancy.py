"""The level of redundancy follows losses up at once and down slowly, and stays where losses stay."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from rtcserver.peer.feedback import Feedback
from rtcserver.peer.redundancy import CALM_S, FIRST_LEVEL, Redundancy, level_for
from rtcserver.sdp.offer import check_offer
from tests.sdp.offers import load


def after(*reports: tuple[int, int], each_s: float = 1.0) -> list[int]:
    """The levels after reports of so many packets that were expected, and lost."""
    redundancy = Redundancy(111, 63)
    return [redundancy.report(expected, lost, each_s) for expected, lost in reports]


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.0, 0), (0.0004, 0), (0.002, 1), (0.02, 1), (0.04, 1), (0.05, 2), (0.3, 2), (1.0, 2)],
)
def test_each_share_of_losses_has_its_level(share: float, level: int) -> None:
    assert level_for(share) == level


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


@pytest.mark.parametrize(("loss", "levels"), [(0.05, {2}), (0.01, {1}), (0.2, {2})])
def test_steady_random_losses_do_not_make_it_swing(loss: float, levels: set[int]) -> None:
    chance = random.Random(4)
    redundancy = Redundancy(111, 63)
    seen = []
    for _ in range(600):
        lost = sum(chance.random() < loss for _ in range(500))
        seen.append(redundancy.report(500, lost, 5.0))
    # An interval of five seconds with few losses may pass; it does not come down for one.
    changes = sum(a != b for a, b in itertools.pairwise(seen[3:]))
    assert changes <= 4
    assert max(set(seen[3:]), key=seen[3:].count) in levels


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
    assert redundancy.payload("opus") == ("opus+2/111", 63)


def test_often_reports_do_not_make_a_single_loss_a_large_share() -> None:
    redundancy = Redundancy(111, 63)
    redundancy.covers([1])
    levels = [redundancy.report(5, 1 if n == 3 else 0, 0.05) for n in range(60)]
    assert set(levels) == {1}

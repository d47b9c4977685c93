"""Each packet twice for who loses some and cannot ask: at once on, off after a calm, and no swinging."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.peer.duplication import CALM_S, MOST_CALM_S, Duplication

CALM = round(CALM_S)


def after(*reports: tuple[int, int], each_s: float = 1.0) -> list[bool]:
    """Whether packets go twice after reports of so many packets that were expected, and lost."""
    duplication = Duplication()
    return [duplication.report(expected, lost, each_s) for expected, lost in reports]


def test_it_comes_with_the_first_loss_and_goes_after_the_calm() -> None:
    seen = after((100, 0), (100, 1), *[(100, 0)] * CALM)
    assert seen == [False] + [True] * CALM + [False]


def test_a_loss_in_time_keeps_it() -> None:
    quiet = [(100, 0)] * (CALM - 1)
    assert all(after((100, 1), *quiet, (100, 1), *quiet, (100, 1)))


def test_late_packets_are_no_losses() -> None:
    assert after((100, -3), (0, 0), (100, 0)) == [False] * 3


def test_who_asks_gets_what_it_asks_for_and_no_copies() -> None:
    duplication = Duplication()
    assert duplication.report(100, 5, 1.0)
    duplication.asked()
    assert not duplication.on
    assert not duplication.report(100, 5, 1.0)
    assert duplication.used


def played(seconds: int, lossy: range) -> list[bool]:
    """Whether packets go twice in each second, where all losses of single packets are repaired by the copies."""
    duplication = Duplication()
    seen = []
    for second in range(seconds):
        seen.append(duplication.on)
        duplication.report(100, 2 if second in lossy and not duplication.on else 0, 1.0)
    return seen


def test_trials_on_a_network_that_goes_on_to_lose_become_rare() -> None:
    seen = played(3600, range(3600))
    unprotected = [second for second, on in enumerate(seen) if not on]
    gaps = [b - a for a, b in itertools.pairwise(unprotected)]
    assert gaps == sorted(gaps)
    assert gaps[:3] == [CALM + 1, 2 * CALM + 1, 4 * CALM + 1]
    assert max(gaps) <= MOST_CALM_S + 1
    # One second of each trial is lost; in an hour it is no more than this.
    assert len(unprotected) <= 12


def test_after_a_long_calm_it_forgets() -> None:
    # Trials up to half a minute's eightfold, then a network without losses, then one second with some.
    seen = played(2000, range(400))
    assert not any(seen[1000:])
    duplication = Duplication()
    for second in range(2000):
        duplication.report(100, 2 if second < 400 and not duplication.on else 0, 1.0)
    assert duplication.report(100, 2, 1.0)
    quiet = [duplication.report(100, 0, 1.0) for _ in range(3 * CALM)]
    assert quiet.index(False) <= 2 * CALM


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_steady_random_losses_do_not_make_it_swing(loss: float) -> None:
    chance = random.Random(5)
    duplication = Duplication()
    on = 0
    for _ in range(1800):
        share = loss * loss if duplication.on else loss
        on += duplication.report(100, sum(chance.random() < share for _ in range(100)), 1.0)
    assert on / 1800 > 0.95


@given(
    st.lists(st.tuples(st.integers(-500, 500), st.integers(-(2**23), 2**23), st.floats(-10, 100))),
)
def test_no_report_breaks_it(reports: list[tuple[int, int, float]]) -> None:
    duplication = Duplication()
    for expected, lost, elapsed_s in reports:
        duplication.report(expected, lost, elapsed_s)
        assert duplication.used or not duplication.on

"""Whose sender report comes next: everybody in turn, newcomers at once, and several together."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from rtcserver.broadcast.turns import MAX_REPORTS, REPORT_INTERVAL_NS, TOGETHER, ReportTurns
from rtcserver.clock import NS

TICK_NS = NS // 10


def made(count: int) -> ReportTurns:
    """Turns of listeners 0 to `count` - 1, who have all had their first."""
    turns = ReportTurns()
    for number in range(count):
        turns.add(listener(number))
    while taken(turns, 0):
        pass
    return turns


def listener(number: int) -> Any:
    return SimpleNamespace(spec=SimpleNamespace(listener_id=number))


def taken(turns: ReportTurns, elapsed_ns: int) -> list[int]:
    return [each.spec.listener_id for each in turns.take(elapsed_ns)]


@pytest.mark.parametrize("count", [1, 4, 5, 9, 50, 500])
def test_everybody_has_a_turn_in_an_interval_and_nobody_waits_a_second_longer(count: int) -> None:
    turns = made(count)
    at: dict[int, list[int]] = {}
    ticks = 6 * REPORT_INTERVAL_NS // TICK_NS
    for tick in range(ticks):
        for number in taken(turns, TICK_NS):
            at.setdefault(number, []).append(tick * TICK_NS)
    assert sorted(at) == list(range(count))
    for times in at.values():
        assert len(times) in (5, 6)
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert all(abs(wait - REPORT_INTERVAL_NS) <= NS + TICK_NS for wait in waits)


@pytest.mark.parametrize(("count", "together"), [(4, 1), (10, 2), (20, 4), (50, TOGETHER), (60, TOGETHER)])
def test_turns_come_together_but_are_not_kept_for_more_than_a_second(count: int, together: int) -> None:
    turns = made(count)
    sizes = {len(taken(turns, TICK_NS)) for _ in range(200)} - {0}
    assert min(sizes) == together
    assert max(sizes) <= together + 1


def test_newcomers_wait_for_nobody_and_take_those_along_whose_turn_it_is() -> None:
    turns = made(50)
    assert taken(turns, REPORT_INTERVAL_NS // 50 * (TOGETHER - 1) + 1) == []
    turns.add(listener(50))
    found = taken(turns, 0)
    assert found == [50, *range(TOGETHER - 1)]


def test_a_long_pause_is_not_made_up_for_at_once() -> None:
    turns = made(500)
    assert len(taken(turns, 100 * REPORT_INTERVAL_NS)) == MAX_REPORTS
    assert taken(turns, 0) == []

"""When an event loop stands still: pure, on a clock of the test's own."""

from __future__ import annotations

import pytest

from rtcserver.clock import NS
from rtcserver.server.watchdog import (
    BEHIND_NS,
    LOOK_NS,
    RECENT_NS,
    TELL_SHARE,
    Standstill,
    Verdict,
    until_look_s,
)

LIMIT_NS = 30 * NS


def looks(state: Standstill, begin_ns: int, end_ns: int, *, signs: bool) -> list[tuple[int, Verdict]]:
    """All that is not `Verdict.TURNS`, with its time; the loop gives its signs meanwhile, or none."""
    found = []
    for now_ns in range(begin_ns, end_ns, LOOK_NS):
        if signs:
            state.sign(now_ns)
        verdict = state.look(now_ns)
        if verdict is not Verdict.TURNS:
            found.append((now_ns, verdict))
    return found


def test_a_loop_that_turns_is_left_alone() -> None:
    state = Standstill(0, LIMIT_NS)
    assert looks(state, LOOK_NS, 3600 * NS, signs=True) == []
    assert state.is_well(3600 * NS)
    assert (state.count, state.longest_ns) == (0, 0)


def test_a_standstill_is_told_once_and_then_ends_the_process() -> None:
    state = Standstill(0, LIMIT_NS)
    assert looks(state, LOOK_NS, LIMIT_NS + 1, signs=False) == [
        (LIMIT_NS // TELL_SHARE, Verdict.STANDS),
        (LIMIT_NS, Verdict.STUCK),
    ]
    assert not state.is_well(LIMIT_NS)


def test_one_that_is_over_is_remembered_for_a_while_and_the_next_one_told_anew() -> None:
    state = Standstill(0, LIMIT_NS)
    told = LIMIT_NS // TELL_SHARE
    assert [verdict for _, verdict in looks(state, LOOK_NS, 10 * NS, signs=False)] == [Verdict.STANDS]
    assert looks(state, 10 * NS, 12 * NS, signs=True) == []
    assert state.count == 1
    assert state.longest_ns == 10 * NS - LOOK_NS
    assert not state.is_well(12 * NS)
    assert looks(state, 12 * NS, 12 * NS + RECENT_NS, signs=True) == []
    assert state.is_well(12 * NS + RECENT_NS)
    again = 12 * NS + RECENT_NS
    assert looks(state, again, again + told, signs=False) == [(again + told - LOOK_NS, Verdict.STANDS)]
    assert state.count == 2


def test_a_process_that_was_stopped_as_a_whole_is_not_stuck() -> None:
    """The looks stopped as well: only what the loop takes beyond that counts."""
    state = Standstill(0, LIMIT_NS)
    looks(state, LOOK_NS, 5 * NS, signs=True)
    woken = 5 * NS + 3600 * NS
    assert looks(state, woken, woken + LIMIT_NS // TELL_SHARE - LOOK_NS, signs=False) == []
    # From there on it is the loop that does not go on.
    assert [v for _, v in looks(state, woken + LIMIT_NS // TELL_SHARE, woken + 2 * LIMIT_NS, signs=False)][
        :2
    ] == [
        Verdict.STANDS,
        Verdict.STUCK,
    ]


@pytest.mark.parametrize("late_s", [0.0, 0.001, 0.1])
def test_the_thread_looks_once_behind_each_sign_of_the_loop(late_s: float) -> None:
    period_s, behind_s = LOOK_NS / NS, BEHIND_NS / NS
    now_s = 1_000.1
    for beat in range(1, 9):
        now_s += until_look_s(now_s)
        assert now_s == pytest.approx(1_000 + beat * period_s + behind_s)
        now_s += late_s

"""How long a client waits before it asks again."""

from __future__ import annotations

import pytest

from rtcserver.client.patience import ASK_S, CAP_S, FIRST_S, RETRY_AFTER_CAP_S, SPREAD_S, ask_again_s, wait_s


def test_a_server_is_asked_often_at_first_and_ever_more_rarely() -> None:
    waits = [wait_s(attempt, 1.0) for attempt in range(1, 200)]
    assert waits[0] == FIRST_S
    assert waits == sorted(waits)
    assert waits[-1] == CAP_S
    # So long that a server which has been away for a minute is not kept waiting for more than a twentieth of that.
    away = 0.0
    for wait in waits:
        assert wait <= FIRST_S + away / 20 + 1e-9
        away += wait


def test_many_do_not_come_at_once() -> None:
    assert wait_s(1, 0.0) == FIRST_S / 2
    assert wait_s(1, 0.5) == pytest.approx(FIRST_S * 0.75)


def test_what_a_server_asks_for_is_a_floor_and_bounded() -> None:
    assert wait_s(1, 0.0, 7.0) == 7.0
    assert wait_s(1, 0.5, 7.0) == 7.0 + SPREAD_S / 2
    assert wait_s(1, 0.0, 1e9) == RETRY_AFTER_CAP_S


def test_a_server_that_has_the_session_is_asked_less_often() -> None:
    assert ask_again_s(there=True, random=1.0) == ASK_S
    assert ask_again_s(there=True, random=0.0) == ASK_S / 2
    assert ask_again_s(there=False, random=1.0) == FIRST_S

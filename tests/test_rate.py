"""The rate limit: its rate, its burst, and how long to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtcserver.clock import NS
from rtcserver.rate import RateLimit


def test_a_burst_at_once_and_then_the_rate() -> None:
    limit = RateLimit(10, 3)
    assert [limit.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert limit.wait_ns(0) == NS // 10
    assert not limit.take(NS // 10 - 1)
    assert limit.take(NS // 10)
    assert [limit.take(NS) for _ in range(4)] == [True, True, True, False]


def test_amounts_are_counted_and_more_than_a_burst_never_fits() -> None:
    limit = RateLimit(1000, 1000)
    assert limit.take(0, 600)
    assert not limit.take(0, 500)
    assert limit.take(0, 400)
    assert limit.wait_ns(0, 250) == NS // 4
    assert not limit.take(100 * NS, 1001)


def test_a_limit_is_idle_once_all_of_it_is_forgotten() -> None:
    limit = RateLimit(2, 10, 60 * NS)
    assert limit.is_idle(0)
    limit.take(0)
    assert not limit.is_idle(30 * NS - 1)
    assert limit.is_idle(30 * NS)


@given(st.integers(1, 1000), st.integers(1, 100), st.lists(st.integers(0, 10**8), min_size=1, max_size=200))
def test_no_stretch_of_time_has_more_than_burst_and_rate(count: int, burst: int, steps: list[int]) -> None:
    limit, now, taken = RateLimit(count, burst), 0, []
    for step in steps:
        now += step
        wait = limit.wait_ns(now)
        if limit.take(now):
            assert wait == 0
            taken.append(now)
        else:
            assert limit.wait_ns(now + wait) == 0
            assert limit.wait_ns(now + wait - 1) == 1
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - begin) / (NS // count) + 1

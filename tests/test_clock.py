"""Timers that come again and again wake a process up together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtcserver.clock import next_beat


@given(st.floats(0, 1e7), st.sampled_from([0.25, 0.5, 1.0]))
def test_a_beat_is_a_multiple_half_a_period_to_one_and_a_half_away(now_s: float, period_s: float) -> None:
    beat = next_beat(now_s, period_s)
    assert beat % period_s == 0
    assert period_s / 2 <= beat - now_s <= period_s * 1.5


def test_timers_of_a_loop_stay_together() -> None:
    first, second = next_beat(10.01, 0.25), next_beat(10.11, 0.25)
    for _ in range(100):
        assert first == second
        # Called a little late, each at another time.
        first, second = next_beat(first + 0.002, 0.25), next_beat(second + 0.011, 0.25)

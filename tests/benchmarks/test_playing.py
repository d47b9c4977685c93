"""How a page's heap is projected to half an hour."""

from __future__ import annotations

import pytest

from benchmarks.rig.playing import growth_mb


def test_what_fills_at_first_counts_once_and_what_grows_goes_on() -> None:
    filled = [(0.0, 1.0), (30.0, 1.5)] + [(140.0 + 10 * n, 2.0) for n in range(7)]
    assert growth_mb(filled) == pytest.approx(1.0)
    leaks = [(at, size + max(0.0, at - 140) * 0.001) for at, size in filled]
    assert growth_mb(leaks) == pytest.approx(1.0 + (1800 - 140) * 0.001)


def test_a_heap_that_shrinks_is_taken_for_a_level_one() -> None:
    assert growth_mb([(0.0, 2.0)] + [(140.0 + 10 * n, 2.5 - 0.01 * n) for n in range(7)]) == pytest.approx(
        0.44
    )


def test_half_an_hour_is_taken_as_it_is() -> None:
    assert growth_mb([(0.0, 2.0), (60.0, 2.1), (900.0, 2.9), (1800.0, 2.6)]) == pytest.approx(0.6)

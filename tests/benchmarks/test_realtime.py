"""The drift conditions of ``script/bench realtime``: a block is enough to fail them, a late report is not."""

from __future__ import annotations

import pytest

from benchmarks.realtime import ahead_ms, condition
from rtcserver.clock import NS

pytestmark = pytest.mark.unhurried("arithmetic on reports that are made here")

RATE = 48_000


def reports(frames_of: list[int], late_ns: list[int]) -> list[tuple[int, int]]:
    """One report each 200 ms of a device on time, `frames_of` counted too many by then, some of them late."""
    return [
        (NS + number * NS // 5 + late, number * RATE // 5 + extra)
        for number, (extra, late) in enumerate(zip(frames_of, late_ns, strict=True))
    ]


def test_a_count_on_time_has_no_drift_however_late_most_reports_are() -> None:
    late = [0 if number % 7 == 3 else 9_000_000 for number in range(100)]
    assert ahead_ms(reports([0] * 100, late), RATE) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("frames", [-384, -128, 128, 384])
def test_frames_counted_too_many_or_too_few_are_found_exactly(frames: int) -> None:
    points = reports([0] * 50 + [frames] * 50, [0] * 100)
    assert ahead_ms(points, RATE) == pytest.approx(1000 * frames / RATE, abs=1e-6)


def test_a_drift_of_a_block_is_allowed_and_more_is_not() -> None:
    assert condition(-2.9, 2.9)["ok"]
    assert not condition(5.8058, 2.9025)["ok"]
    assert not condition(-5.8058, 2.9025)["ok"]

"""How holes are found in noise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studio_network import Run, longest_gap_ms, summary

pytestmark = pytest.mark.unhurried("arithmetic on sound that is made here")

RATE = 44_100


@pytest.mark.parametrize("hole", [0, 64, 128, 441, 1000])
def test_the_longest_hole_is_found_to_half_a_millisecond(hole: int) -> None:
    sound = np.random.default_rng(1).uniform(-0.25, 0.25, (RATE, 2)).astype(np.float32)
    sound[2_000 : 2_000 + hole // 2] = 0
    sound[20_000 : 20_000 + hole] *= 0.3
    assert longest_gap_ms(sound, RATE) == pytest.approx(hole * 1000 / RATE, abs=0.5)


def test_a_hole_at_the_end_counts() -> None:
    sound = np.random.default_rng(1).uniform(-0.25, 0.25, (RATE, 2)).astype(np.float32)
    sound[-882:] = 0
    assert longest_gap_ms(sound, RATE) == pytest.approx(20, abs=0.6)


def _reading(at_s: float, underruns: int) -> dict[str, float]:
    names = (
        "lost",
        "repaired",
        "concealedMs",
        "longestGapMs",
        "levelMs",
        "targetMs",
        "driftPpm",
        "trims",
        "exact",
    )
    return dict.fromkeys(names, 0.0) | {"atS": at_s, "underruns": underruns, "ratio": 1.0, "redundancy": 0}


def test_underruns_while_the_machine_stood_still_are_told_apart_and_counted_all_the_same() -> None:
    readings = [_reading(100.0, 0), _reading(110.0, 1), _reading(120.0, 2)]
    run = Run(readings, False, "", None, began=1_000.0, stalls=[(1_009.8, 6.5), (1_015.0, 4.2)])
    figures = summary(run)
    assert figures["underruns"] == 2
    assert (figures["stalls"], figures["worst_stall_ms"], figures["underruns_in_stalls"]) == (2, 6.5, 1)


def test_without_the_right_to_watch_the_machine_nothing_is_said_of_it() -> None:
    assert "stalls" not in summary(Run([_reading(1.0, 0), _reading(2.0, 0)], False, "", None))

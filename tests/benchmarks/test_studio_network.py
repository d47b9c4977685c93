"""How holes are found in noise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studio_network import longest_gap_ms

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

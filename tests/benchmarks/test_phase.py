"""A delay is found from the phases of two tones, far beyond the period of either."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.rig.phase import delay_s, tone_phase

HZ = (513.0, 614.0)


def second(first: int, delay_s: float, noise: float = 0.0) -> npt.NDArray[np.float32]:
    """One second of both tones from sample number `first` on, late by `delay_s`; one tone a column."""
    at = (first + np.arange(48_000))[:, None] / 48_000 - delay_s
    rough = np.random.default_rng(1).normal(0, noise, (48_000, 2))
    return (0.25 * np.sin(2 * np.pi * at * np.array(HZ)) + rough).astype(np.float32)


def phases(first: int, delay_s: float, noise: float = 0.0) -> list[float]:
    sound = second(first, delay_s, noise)
    return [tone_phase(sound[:, side], first, hz) for side, hz in enumerate(HZ)]


@pytest.mark.parametrize("delay_ms", [0.0, 0.001, -0.02, 0.9, -2.9025, 10.0, -139.32, 400.0])
def test_the_delay_between_two_readings(delay_ms: float) -> None:
    before, after = phases(7_680, 0.0), phases(48_000 * 3600 + 123, delay_ms / 1000)
    assert 1000 * delay_s(before, after, HZ, longest_s=0.45) == pytest.approx(delay_ms, abs=1e-4)


def test_noise_does_not_lead_it_astray() -> None:
    before, after = phases(0, 0.0, noise=0.02), phases(480_000, 0.0123, noise=0.02)
    assert delay_s(before, after, HZ, longest_s=0.45) == pytest.approx(0.0123, abs=2e-6)

"""The limiter leaves alone what is not too loud, and lets nothing through that is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture.limiter import CEILING, RELEASE_S, Limiter

RATE = 48_000


def tone(peak: float, seconds: float = 0.5) -> npt.NDArray[np.float32]:
    at = np.arange(round(RATE * seconds)) / RATE
    left = peak * np.sin(2 * np.pi * 441 * at)
    return np.stack([left, left / 2], axis=1).astype(np.float32)


def limited(samples: npt.NDArray[np.float32], size: int = 128) -> npt.NDArray[np.float32]:
    limiter = Limiter(RATE)
    return np.concatenate([limiter.apply(samples[at : at + size]) for at in range(0, len(samples), size)])


def test_what_is_not_too_loud_passes_bit_for_bit() -> None:
    quiet = tone(CEILING)
    assert (limited(quiet) == quiet).all()


@pytest.mark.parametrize("peak", [0.9, 1.0, 3.0, 30.0])
def test_nothing_is_above_the_ceiling_and_the_sides_keep_their_balance(peak: float) -> None:
    out = limited(tone(peak))
    assert np.abs(out).max() == pytest.approx(CEILING, abs=1e-4)
    assert np.abs(out).max() <= CEILING + 1e-6
    assert out[:, 1] == pytest.approx(out[:, 0] / 2, abs=1e-6)


def test_the_gain_comes_back_slowly() -> None:
    samples = np.concatenate([tone(4 * CEILING, 0.1), tone(0.1, 4 * RELEASE_S)])
    out = limited(samples)
    behind = out[round(0.1 * RATE) :, 0] / np.where(
        samples[round(0.1 * RATE) :, 0] == 0, 1, samples[round(0.1 * RATE) :, 0]
    )
    after = behind[round(RELEASE_S * RATE)]
    assert after == pytest.approx(np.e / 4, rel=0.02)
    assert behind[-1] == pytest.approx(1, abs=0.01)


def test_blocks_of_any_size_make_no_difference() -> None:
    samples = np.concatenate([tone(0.5), tone(2.0), tone(0.5)])
    whole = limited(samples, len(samples))
    for size in (1, 37, 128, 2048):
        part = samples if size > 1 else samples[:3000]
        assert limited(part, size) == pytest.approx(whole[: len(part)], abs=1e-5)


def test_an_empty_block_is_an_empty_block() -> None:
    assert len(Limiter(RATE).apply(np.empty((0, 2), np.float32))) == 0

"""Stereo at 48 kHz to one channel at a telephone's rate: in step, at its level, and nothing folded back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.encode.mono import MonoDownsampler

FRAME = 960
FRAMES = 100
SETTLED_S = 0.2


def downsampled(stereo: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """All of ``(n, 2)``, frame by frame, in units of full scale."""
    mono = MonoDownsampler(rate)
    frames = [mono.process(stereo[at : at + FRAME].tobytes()) for at in range(0, len(stereo), FRAME)]
    assert {len(frame) for frame in frames} == {FRAME * rate // 48_000}
    assert {frame.dtype for frame in frames} == {np.dtype(np.int16)}
    return np.concatenate(frames) / 32_767


def tone(hz: float, left: float = 0.5, right: float = 0.5) -> npt.NDArray[np.float32]:
    wave = np.sin(2 * np.pi * hz * np.arange(FRAME * FRAMES) / 48_000)
    return np.stack((left * wave, right * wave), axis=1).astype(np.float32)


def spectrum_at(samples: npt.NDArray[np.float64], rate: int, hz: float) -> complex:
    """Amplitude and phase of a tone in what has settled."""
    at = np.arange(round(SETTLED_S * rate), len(samples))
    return complex(2 * np.mean(samples[at] * np.exp(-2j * np.pi * hz * at / rate)))


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("share", [0.055, 0.25, 0.42])
def test_a_tone_keeps_its_level_and_lags_by_exactly_the_lookahead(rate: int, share: float) -> None:
    hz = share * rate
    found = spectrum_at(downsampled(tone(hz), rate), rate, hz)
    lag = MonoDownsampler(rate).lookahead / 48_000
    # Of a sine the amplitude is at -90 degrees.
    wanted = 0.5 * np.exp(-2j * np.pi * (hz * lag + 0.25))
    assert abs(found - wanted) < 0.002


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("share", [0.56, 0.8, 1.1])
def test_what_would_fold_back_is_gone(rate: int, share: float) -> None:
    heard = downsampled(tone(share * rate), rate)[round(SETTLED_S * rate) :]
    assert np.abs(heard).max() <= 1 / 32_767


def test_left_and_right_are_averaged_and_too_much_is_clipped() -> None:
    heard = downsampled(tone(440, 0.5, 0.0), 8_000)
    assert abs(abs(spectrum_at(heard, 8_000, 440)) - 0.25) < 0.001
    assert np.abs(downsampled(tone(440, 0.5, -0.5), 8_000)).max() == 0
    loud = downsampled(tone(440, 2.0, 2.0), 8_000)
    assert (loud.max(), round(loud.min() * 32_767)) == (1.0, -32_768)


def test_other_rates_are_named() -> None:
    with pytest.raises(ValueError, match="rate is 11025: allowed are 8000, 16000"):
        MonoDownsampler(11_025)

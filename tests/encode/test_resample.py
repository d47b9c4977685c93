"""What the resampler passes, what it adds, and that it does not matter how its input is cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.encode.resample import (
    PASS_HZ,
    PassThrough,
    PolyphaseResampler,
    Resampler,
    SincResampler,
    Stereo,
    resampler_for,
)

pytestmark = pytest.mark.unhurried("arithmetic on samples that are made here")
RATES = (44_100, 88_200, 96_000, 192_000)


def resampled(resampler: Resampler, sound: Stereo, *sizes: int) -> Stereo:
    """All of the sound in blocks of these sizes, round and round, and what is held back."""
    parts, at, number = [], 0, 0
    while at < len(sound):
        size = sizes[number % len(sizes)]
        parts.append(resampler.process(sound[at : at + size]).copy())
        at += size
        number += 1
    return np.concatenate([*parts, resampler.flush()])


def tone(hz: float, rate: int, seconds: float = 0.5) -> Stereo:
    """On the left, and a quarter of a period later on the right."""
    phase = 2 * np.pi * hz * np.arange(round(rate * seconds)) / rate
    return np.stack([np.sin(phase), np.sin(phase - np.pi / 2)], axis=1).astype(np.float32) * np.float32(0.5)


def lines(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Level in dB, of a sine of amplitude 0.5, every 10 Hz or so, in a window that leaves no lines of its own above -150."""
    window = np.kaiser(len(samples), 20)
    return np.asarray(20 * np.log10(np.abs(np.fft.rfft(samples * window)) / (0.25 * window.sum()) + 1e-12))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hz", [200, 5_000, 15_000, PASS_HZ - 100])
def test_a_tone_passes_as_it_is_and_leaves_no_line_beside_it(rate: int, hz: float) -> None:
    out = resampled(PolyphaseResampler(rate), tone(hz, rate), 128)[4_800:19_200]
    # On both sides the sine that was sampled, at its own time.
    at = (np.arange(len(out)) + 4_800) / 48_000
    for side, shift in enumerate((0, np.pi / 2)):
        wanted = 0.5 * np.sin(2 * np.pi * hz * at - shift)
        assert np.abs(out[:, side] - wanted).max() < 5e-4
        found = lines(out[:, side])
        peak = round(hz * len(out) / 48_000)
        assert found[peak - 40 : peak + 41].max() == pytest.approx(0, abs=0.25)
        assert np.delete(found, range(peak - 40, peak + 41)).max() < -98


def noise(rate: int, seconds: float = 0.25) -> Stereo:
    """One turn of a noise below 18 kHz that repeats itself: the same noise at each rate, as all its lines are known."""
    count = round(18_000 * seconds)
    random = np.random.default_rng(3)
    lines = np.zeros((round(rate * seconds) // 2 + 1, 2), complex)
    lines[1 : count + 1] = np.exp(2j * np.pi * random.random((count, 2)))
    return (np.fft.irfft(lines, round(rate * seconds), axis=0) * rate * seconds / count**0.5 / 10).astype(
        np.float32
    )


@pytest.mark.parametrize("rate", RATES)
def test_noise_is_the_same_noise_at_the_other_rate(rate: int) -> None:
    wanted = noise(48_000)
    turn = len(wanted)
    heard = resampled(PolyphaseResampler(rate), np.tile(noise(rate), (3, 1)), 128)[turn : 2 * turn]
    error_db = 10 * np.log10(np.mean((heard - wanted) ** 2) / np.mean(wanted**2))
    assert error_db < -105, "what is left when both are subtracted"


def test_after_a_minute_it_is_where_it_was() -> None:
    resampler = PolyphaseResampler(44_100)
    # 300 Hz: a whole number of periods in 441 frames, and in 480.
    turns = np.arange(441 * 10) / 147
    turn = np.sin(2 * np.pi * np.stack([turns, turns + 0.25], axis=1)).astype(np.float32)
    made = len(resampler.process(turn))
    for _ in range(600 - 2):
        made += len(resampler.process(turn))
    last = resampler.process(turn)
    at = 2 * np.pi * (made + np.arange(len(last))) / 160
    assert made + len(last) == pytest.approx(600 * 4_800, abs=45)
    assert np.abs(last - np.stack([np.sin(at), np.cos(at)], axis=1)).max() < 1e-3


@pytest.mark.parametrize("rate", RATES[1:])
def test_what_would_fold_back_is_taken_out(rate: int) -> None:
    out = resampled(PolyphaseResampler(rate), tone(28_000, rate), 128)[4_800:19_200]
    assert lines(out[:, 0]).max() < -95


@pytest.mark.parametrize("rate", [*RATES, 50_000])
def test_the_samples_do_not_depend_on_how_the_input_is_cut(rate: int) -> None:
    sound = np.random.default_rng(1).uniform(-1, 1, (rate // 5 + 13, 2)).astype(np.float32)
    whole = resampled(PolyphaseResampler(rate), sound, 128)
    # Each sample of the input has its time in the output.
    assert len(whole) == -(-len(sound) * 48_000 // rate)
    for sizes in ((512,), (1, 64, 333, 128), (4096,), (len(sound),)):
        assert np.array_equal(resampled(PolyphaseResampler(rate), sound, *sizes), whole)


def test_a_flush_begins_a_new_run() -> None:
    resampler = PolyphaseResampler(44_100)
    sound = np.random.default_rng(2).uniform(-1, 1, (4_410, 2)).astype(np.float32)
    first = resampled(resampler, sound, 128)
    assert np.array_equal(resampled(resampler, sound, 100), first)


def test_no_sample_is_held_back_for_more_than_a_millisecond() -> None:
    for rate in RATES:
        resampler = PolyphaseResampler(rate)
        taken = behind = 0.0
        for number in range(100):
            taken += len(resampler.process(np.zeros((128, 2), np.float32))) / 48_000
            behind = max(behind, (number + 1) * 128 / rate - taken)
        assert behind < 1e-3


def test_a_ratio_of_large_numbers_is_left_to_libsamplerate() -> None:
    assert isinstance(resampler_for(48_000), PassThrough)
    assert isinstance(resampler_for(44_100), PolyphaseResampler)
    assert isinstance(resampler_for(47_999), SincResampler)
    with pytest.raises(ValueError, match="47999"):
        PolyphaseResampler(47_999)

"""The frames between feed and output: exact on one clock, steady on two, silent and counted when there are none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.monitor.playout import Playout

RATE, BLOCK = 48_000, 512
TARGET, SLACK = 1536, 576


def counting(first: int, frames: int) -> npt.NDArray[np.float32]:
    """Samples that are their own frame numbers, from 1 on."""
    return np.repeat(np.arange(first + 1, first + frames + 1, dtype=np.float32)[:, None], 2, axis=1)


def run(playout: Playout, seconds: float, ppm: float = 0.0) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Play while the writer's clock is `ppm` fast; returns what was played, and the level at each read."""
    played, levels = [], []
    written = 0
    for number in range(round(seconds * RATE / BLOCK)):
        while (written + BLOCK) / (RATE * (1 + ppm * 1e-6)) <= (number + 0.5) * BLOCK / RATE:
            playout.write(counting(written, BLOCK))
            written += BLOCK
        levels.append(playout.level)
        out = np.empty((BLOCK, 2), np.float32)
        playout.read(out)
        played.append(out[:, 0].astype(np.float64))
    return np.concatenate(played), levels


def test_on_one_clock_every_sample_is_played_as_it_is() -> None:
    playout = Playout(RATE, TARGET, SLACK)
    played, levels = run(playout, 60)
    sounding = played[played > 0]
    assert (np.diff(sounding) == 1).all()
    assert (playout.underruns, playout.overruns, playout.slips) == (0, 0, 0)
    assert len(set(levels[10:])) == 1
    assert playout.played == len(sounding)


@pytest.mark.parametrize("ppm", [-400.0, 400.0])
def test_on_two_clocks_the_level_stays_and_nothing_is_lost(ppm: float) -> None:
    playout = Playout(RATE, TARGET, SLACK)
    played, levels = run(playout, 100, ppm)
    assert (playout.underruns, playout.overruns) == (0, 0)
    # 400 ppm are 1920 frames in 100 s; what is not corrected stays within slack, window and bursts.
    assert abs(playout.slips - 1920) < 2 * SLACK + BLOCK
    assert max(levels[20:]) - min(levels[20:]) < 2 * (SLACK + BLOCK)
    steps = np.diff(played[played > 0])
    # A float32 of some millions has quarters; a frame that is missing would be a whole.
    assert np.abs(steps - 1).max() < 0.5


def test_running_dry_is_silence_that_is_counted_once() -> None:
    playout = Playout(RATE, TARGET, SLACK)
    playout.write(counting(0, TARGET + 100))
    out = np.empty((BLOCK, 2), np.float32)
    for _ in range(6):
        playout.read(out)
    assert playout.underruns == 1
    assert not out.any()
    playout.write(counting(0, TARGET))
    playout.read(out)
    assert out.any()


def test_a_full_ring_is_shortened_to_the_target() -> None:
    playout = Playout(RATE, TARGET, SLACK)
    out = np.empty((BLOCK, 2), np.float32)
    playout.write(counting(0, TARGET))
    playout.read(out)
    for number in range(1000):
        playout.write(counting(number * BLOCK, BLOCK))
    playout.read(out)
    assert playout.overruns == 1
    assert playout.level == TARGET - BLOCK


def test_lost_frames_are_silence_of_their_length() -> None:
    playout = Playout(RATE, 600, SLACK)
    playout.write(counting(0, 300))
    playout.skip(200)
    playout.write(counting(500, 300))
    out = np.empty((600, 2), np.float32)
    playout.read(out)
    expected = np.concatenate([counting(0, 800)[200:300], np.zeros((200, 2)), counting(500, 300)])
    assert (out == expected).all()

"""The onset-and-gap analysis finds what was done to its track, and nothing that was not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rig.clicks import SPACING
from benchmarks.rig.onsets import judge, track

SECONDS = 6
SOUND = track()[: SECONDS * 48_000, 0].astype(np.float64) / 32_768
ONSETS = -(-len(SOUND) // SPACING)


def test_the_track_itself_has_every_onset_and_no_gap() -> None:
    found = judge(SOUND)
    assert (found.onsets, found.missed, found.gap_ms) == (ONSETS, 0, 0.0)
    assert found.stretch_ms < 0.05


@pytest.mark.parametrize("gap_ms", [10, 40, 1500])
def test_a_hole_is_measured(gap_ms: int) -> None:
    sound = SOUND.copy()
    sound[100_000 : 100_000 + gap_ms * 48] = 0
    assert judge(sound).gap_ms == pytest.approx(gap_ms, abs=2)


def test_mostly_silence_is_one_long_gap() -> None:
    sound = SOUND.copy()
    sound[48_000 : 5 * 48_000] = 0
    assert judge(sound).gap_ms == pytest.approx(4_000, abs=2)
    assert judge(np.zeros(48_000)).onsets == 0


def test_a_lost_onset_is_missed() -> None:
    sound = SOUND.copy()
    note = SOUND[SPACING + 1_000 : SPACING + 2_000]
    sound[5 * SPACING - 200 : 5 * SPACING + 800] = note
    assert judge(sound).missed == 1
    assert judge(sound).gap_ms == 0


def test_stretched_time_shows_between_two_onsets() -> None:
    at = 5 * SPACING + 4_000
    found = judge(np.concatenate([SOUND[:at], SOUND[at - 240 : at], SOUND[at:]]))
    assert found.stretch_ms == pytest.approx(5, abs=0.1)
    assert found.missed == 0

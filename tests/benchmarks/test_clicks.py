"""Clicks are found to the sample, under music, and their latency follows from the source's clock."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.listen_latency import LEAST_MS, SourceClock, arrivals
from benchmarks.rig.clicks import LENGTH, SPACING, chirp, click_track, find
from tests.rig.chromium import Heard

pytestmark = pytest.mark.unhurried("arithmetic on sound that is made here")


def test_all_clicks_of_the_track_are_found_where_they_are() -> None:
    sound = click_track()[: 20 * SPACING].astype(np.float64).mean(axis=1)
    clicks = find(sound)
    assert [round(click.at) for click in clicks] == [number * SPACING for number in range(20)]
    assert min(click.likeness for click in clicks) > 0.6


def test_nothing_is_found_in_noise() -> None:
    assert find(np.random.default_rng(3).normal(0, 0.1, 5 * SPACING)) == []


def test_the_loop_is_a_whole_number_of_clicks() -> None:
    assert LENGTH % SPACING == 0
    assert len({number * SPACING % 480 for number in range(33)}) == 33


@pytest.mark.parametrize("latency_ms", [8.0, 47.25, 199.0])
def test_a_latency_survives_the_way_through_the_recorder(latency_ms: float) -> None:
    """A worklet that is called every 128 samples hears each click `latency_ms` after the source."""
    offset_ns = 1_700_000_000_123_456_789
    first_click_ns, begin_ns = 5_000_000_000, 9_100_000_000
    rate = 48_000
    sound = np.zeros(6 * rate)
    number = int((begin_ns - first_click_ns) / 1e9 * rate / SPACING)
    while True:
        heard_ns = first_click_ns + number * SPACING * 1e9 / rate + latency_ms * 1e6
        at = round((heard_ns - begin_ns) * rate / 1e9)
        if at + 288 > len(sound):
            break
        if at >= 0:
            sound[at : at + 288] += 0.3 * chirp()
        number += 1
    quanta = len(sound) // 128
    called_ns = begin_ns + np.arange(quanta) * 128 * 1e9 / rate
    heard = Heard(np.stack([sound, sound], 1).astype(np.float32), np.floor((called_ns + offset_ns) / 1e6))
    clicks = find(sound)
    assert len(clicks) >= 20
    came, left = arrivals(heard, clicks, offset_ns)
    source = SourceClock(first_click_ns)
    # A click is heard with the call that brings its quantum: up to 2.7 ms early, in whole milliseconds.
    early = [latency_ms - source.latency_ms(at) for at in came]
    assert min(early) > -0.6
    assert max(early) < 128 / 48 + 0.6
    assert np.mean(early) == pytest.approx(64 / 48, abs=0.4)
    assert source.latency_ms(left[0]) == pytest.approx(latency_ms, abs=0.7)
    assert source.latency_ms(first_click_ns) > LEAST_MS

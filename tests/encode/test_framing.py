"""Frames on the room's grid, whatever was lost; and the exact place of a device's frames on it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.encode.framing import Framer
from rtcserver.encode.resample import media_position
from rtcserver.encode.timeline import Anchor, Epoch


def ramp(start: int, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Samples that say their own media time, on both sides."""
    return np.repeat(np.arange(start, start + count, dtype=np.float32)[:, None], 2, axis=1)


@given(
    st.sampled_from([120, 240, 480, 960]),
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(1, 700), st.integers(-300, 3000)), min_size=1, max_size=30),
)
def test_every_frame_is_on_the_grid_and_every_sample_in_its_place(
    size: int, start: int, pieces: list[tuple[int, int]]
) -> None:
    framer = Framer(size)
    position, times = start, []
    for count, jump in pieces:
        position = max(0, position + (jump if abs(jump) > 250 else 0))
        for media_time, frame in framer.push(ramp(position, count), position):
            times.append(media_time)
            expected = np.arange(media_time, media_time + size, dtype=np.float32)
            there = frame[:, 0] != 0
            np.testing.assert_array_equal(frame[there, 0], expected[there])
        position += count
    assert all(time % size == 0 for time in times)
    assert all(later - earlier >= size for earlier, later in pairwise(times))


def test_a_gap_leaves_out_what_is_not_known_and_pads_the_rest() -> None:
    framer = Framer(480)
    first = list(framer.push(ramp(0, 500), 0))
    assert [time for time, _ in first] == [0]
    rest = [(time, frame.copy()) for time, frame in framer.push(ramp(2000, 400), 2000)]
    # The frame in hand (480…) ends in silence, 960 and 1440 are left out, 1920 begins with silence.
    assert [time for time, _ in rest] == [480, 1920]
    assert rest[0][1][:20, 0].tolist() == list(range(480, 500))
    assert not rest[0][1][20:].any()
    assert not rest[1][1][:80].any()
    assert rest[1][1][80, 0] == 2000


@given(st.integers(0, 10 * 24 * 3600 * 192_000), st.sampled_from([44_100, 48_000, 88_200, 96_000, 192_000]))
def test_media_time_of_a_device_frame_is_exact_for_days(frame: int, rate: int) -> None:
    exact_twice = 2 * frame * 48_000
    assert abs(2 * media_position(0, frame, rate) * rate - exact_twice) <= rate


def test_44100_is_160_to_147() -> None:
    assert media_position(7, 147 * 10**9, 44_100) == 7 + 160 * 10**9


@pytest.mark.parametrize("late_ns", [0, 1_000_000_000, -5_000_000])
def test_an_epoch_begins_where_time_has_come_to_but_never_before(late_ns: int) -> None:
    epoch = Epoch.begin(3, Anchor(96_000, 10**9), 10**9 + late_ns, 44_100)
    assert epoch.media_time(0) == max(96_000, 96_000 + late_ns * 48_000 // 10**9)
    assert epoch.media_time(44_100) - epoch.media_time(0) == 48_000

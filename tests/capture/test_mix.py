"""Printed channel numbers become columns, gains become factors, and errors say what is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from rtcserver.capture.block import DeviceFormat, StreamFormat, to_float
from rtcserver.capture.mix import stereo_mix
from rtcserver.config.mix import parse_mix
from rtcserver.errors import ConfigError


def device(channels: int) -> np.ndarray:
    """Ten frames in which channel *n* (from 1) always holds the value n."""
    return np.tile(np.arange(1, channels + 1, dtype=np.float32), (10, 1))


@pytest.mark.parametrize("text", ["3,4", " 3 , 4 ", "3/4", "3 4"])
def test_a_pair_is_taken_by_its_printed_numbers_unchanged(text: str) -> None:
    mix = stereo_mix(text, "", 8)
    assert mix.exact
    assert mix.apply(device(8)).tolist() == [[3, 4]] * 10


@pytest.mark.parametrize(("text", "sides"), [("4,3", [4, 3]), ("1,1", [1, 1]), ("32,1", [32, 1])])
def test_a_pair_may_be_any_two_channels(text: str, sides: list[int]) -> None:
    assert stereo_mix(text, "", 32).apply(device(32)).tolist() == [sides] * 10


def test_gains_are_decibels() -> None:
    mix = stereo_mix("1,2", "1:L:0, 2:R:-20, 3:LR:-6, 4:r:+6 dB", 8)
    assert not mix.exact
    left, right = mix.apply(device(8))[0]
    assert left == pytest.approx(1 + 3 * 10 ** (-6 / 20), rel=1e-6)
    assert right == pytest.approx(0.2 + 3 * 10 ** (-6 / 20) + 4 * 10 ** (6 / 20), rel=1e-6)


def test_a_channel_that_is_named_twice_adds_up() -> None:
    mix = stereo_mix("1,2", "1:L, 1:L, 2:R", 2)
    assert mix.apply(device(2))[0].tolist() == [2, 2]


def test_the_mix_goes_over_the_pair_and_does_not_clip() -> None:
    assert parse_mix("7,8", "1:L:24") == [(1, "L", 24.0)]
    loud = stereo_mix("7,8", "1:L:24", 2).apply(device(2))
    assert loud[0, 0] == pytest.approx(10 ** (24 / 20))
    assert loud[0, 1] == 0


@pytest.mark.parametrize(
    ("channels", "mix", "said"),
    [
        ("", "", ["channels", '""', '"1,2"']),
        ("1", "", ["channels", '"1"', '"1,2"']),
        ("1,2,3", "", ["channels", '"1,2,3"', '"1,2"']),
        ("a,b", "", ["channels", '"a,b"', '"1,2"']),
        ("-1,2", "", ["channels", '"-1,2"']),
        ("0,1", "", ["channels", "count from 1"]),
        ("1,2", "0:L", ["mix", "count from 1"]),
        ("1,2", "1:X:0", ["mix", '"1:X:0"', "L, R or LR"]),
        ("1,2", "1:L:0,,2:R:0", ["mix", '""', "channel:side:gain_db"]),
        ("1,2", "1:L:loud", ["mix", '"1:L:loud"', "channel:side:gain_db"]),
        ("1,2", "1:L:25", ["mix", "25 dB", "-120 to 24"]),
        ("1,2", "1:L:-121", ["mix", "-121 dB", "-120 to 24"]),
    ],
)
def test_what_is_not_understood_is_named(channels: str, mix: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mix(channels, mix)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(("channels", "mix", "key"), [("8,9", "", "channels"), ("1,2", "9:LR:0", "mix")])
def test_a_channel_that_the_device_lacks_is_named_with_what_it_has(channels: str, mix: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: channel 9 does not exist; the device has 1 to 8"):
        stereo_mix(channels, mix, 8)


def test_the_only_channel_of_a_device_is_heard_on_both_sides_as_loud_as_one_of_a_pair() -> None:
    assert stereo_mix("1,2", "", 1).apply(device(1)).tolist() == [[1, 1]] * 10
    assert stereo_mix("1,2", "", 2).apply(device(2)).tolist() == [[1, 2]] * 10


@pytest.mark.parametrize(("channels", "mix"), [("2,1", ""), ("3,4", ""), ("1,2", "1:L, 2:R")])
def test_a_channel_that_was_asked_for_is_not_replaced_by_the_only_one(channels: str, mix: str) -> None:
    with pytest.raises(ConfigError, match="does not exist; the device has 1 to 1"):
        stereo_mix(channels, mix, 1)


@pytest.mark.parametrize("text", ["3,4", "4,5", "4,3", "1,1", "7,8"])
@pytest.mark.parametrize(("sample_format", "dtype"), [("float32", np.float32), ("int16", np.int16)])
def test_what_is_taken_from_a_block_is_what_its_samples_mix_to(
    text: str, sample_format: DeviceFormat, dtype: type
) -> None:
    stream = StreamFormat(44_100, 8, 16, sample_format)
    block = np.random.default_rng(1).integers(-1_000, 1_000, (16, 8)).astype(dtype)
    mix, data = stereo_mix(text, "", 8), memoryview(block).cast("B")
    wanted = mix.apply(to_float(data, stream, 16))
    assert np.array_equal(mix.taken_from(stream)(data, 16), wanted)
    assert np.array_equal(mix.taken_from(stream)(data, 9), wanted[:9])

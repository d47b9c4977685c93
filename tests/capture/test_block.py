"""Raw samples of every format become the same floats."""

from __future__ import annotations

import numpy as np
import pytest

from rtcserver.capture.block import DeviceFormat, StreamFormat, to_float


def raw(values: list[float], sample_format: DeviceFormat) -> bytes:
    """Values in [-1, 1) as a device delivers them."""
    if sample_format == "float32":
        return np.array(values, "<f4").tobytes()
    if sample_format == "int16":
        return np.array([round(v * 2**15) for v in values], "<i2").tobytes()
    return b"".join(round(v * 2**23).to_bytes(3, "little", signed=True) for v in values)


@pytest.mark.parametrize("sample_format", ["float32", "int16", "int24"])
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 32])
def test_samples_land_in_their_channel_with_their_sign(sample_format: DeviceFormat, channels: int) -> None:
    stream = StreamFormat(48_000, channels, 4, sample_format)
    values = [((-1) ** n) * n / (4 * channels) for n in range(4 * channels)]
    data = raw(values, sample_format)
    assert len(data) == stream.block_bytes
    samples = to_float(memoryview(data), stream, 4)
    assert samples.shape == (4, channels)
    assert samples.dtype == np.float32
    step = {"float32": 1e-7, "int16": 2**-16, "int24": 2**-24}[sample_format]
    assert np.abs(samples.reshape(-1) - np.array(values)).max() <= step


@pytest.mark.parametrize(("sample_format", "bits"), [("int16", 16), ("int24", 24)])
def test_integers_are_exact_to_the_last_bit(sample_format: DeviceFormat, bits: int) -> None:
    """A float32 holds 24 bits: every integer comes back as it was, the extremes too."""
    full = 2 ** (bits - 1)
    integers = [0, 1, -1, full - 1, -full, 12_345, -12_345]
    data = raw([value / full for value in integers], sample_format)
    stream = StreamFormat(44_100, 1, len(integers), sample_format)
    samples = to_float(memoryview(data), stream, len(integers)).astype(np.float64)
    assert [round(value * full) for value in samples[:, 0]] == integers
    assert samples.min() == -1.0
    assert samples.max() < 1.0


def test_a_short_block_is_read_to_its_own_length() -> None:
    stream = StreamFormat(48_000, 2, 128, "int24")
    data = raw([0.5, -0.5, 0.25, -0.25], "int24")
    assert to_float(memoryview(data), stream, 2).tolist() == [[0.5, -0.5], [0.25, -0.25]]

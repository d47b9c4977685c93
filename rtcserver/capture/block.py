"""The shapes that capture hands on: what a device delivers, and one block of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

DeviceFormat = Literal["int16", "int24", "float32"]
BYTES_PER_SAMPLE: dict[str, int] = {"int16": 2, "int24": 3, "float32": 4}
_INT24_SCALE = np.float32(1.0 / 2**31)
_INT16_SCALE = np.float32(1.0 / 2**15)


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What one opened device delivers.

    rate: Hz. channels: interleaved channels in a frame. blocksize: frames in a block.
    """

    rate: int
    channels: int
    blocksize: int
    sample_format: DeviceFormat = "float32"

    @property
    def frame_bytes(self) -> int:
        return self.channels * BYTES_PER_SAMPLE[self.sample_format]

    @property
    def block_bytes(self) -> int:
        return self.frame_bytes * self.blocksize


@dataclass(slots=True)
class Block:
    """One captured block. Not frozen, as it is made for every packet, and a frozen one takes three times as long to make.

    data: interleaved raw samples, `frames` × channels, in the stream's format. It belongs to the
        ring and is overwritten later: use it before asking for the next block.
    frames: number of frames in it.
    first_frame: device frame number of its first frame; lost frames are counted in.
    arrived_ns: monotonic ns at which it arrived, i.e. when its last frame was in our hands.
    adc_ns: monotonic ns at which its first frame was converted, as far as the device tells.
    """

    data: memoryview
    frames: int
    first_frame: int
    arrived_ns: int
    adc_ns: int


def to_float(data: memoryview, stream: StreamFormat, frames: int) -> npt.NDArray[np.float32]:
    """Raw interleaved samples as ``(frames, channels)`` float32 in [-1, 1).

    int24 is packed little-endian, three bytes a sample (PortAudio's paInt24).
    """
    if stream.sample_format == "float32":
        return np.frombuffer(data, np.float32, frames * stream.channels).reshape(frames, stream.channels)
    if stream.sample_format == "int16":
        ints = np.frombuffer(data, np.int16, frames * stream.channels).reshape(frames, stream.channels)
        return np.multiply(ints, _INT16_SCALE, dtype=np.float32)
    packed = np.frombuffer(data, np.uint8, frames * stream.channels * 3).reshape(-1, 3)
    wide = np.zeros((packed.shape[0], 4), np.uint8)
    wide[:, 1:] = packed
    return (wide.view("<i4").astype(np.float32) * _INT24_SCALE).reshape(frames, stream.channels)

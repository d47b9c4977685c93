"""Device channels → stereo: a pair by printed channel numbers, or a mix with gains in dB.

Pure. Channel numbers count from 1, as they are printed on the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import StreamFormat, to_float
from rtcserver.config.mix import parse_mix
from rtcserver.errors import ConfigError


@dataclass(frozen=True, slots=True)
class StereoMix:
    """Which device channels make the two sides.

    matrix: ``(channels, 2)`` float32 gains. exact: the pair's samples pass unchanged (gain 1, one
    channel a side), so Studio may call them bit-exact.
    """

    matrix: npt.NDArray[np.float32]
    exact: bool
    left: int
    right: int

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``(frames, channels)`` float32 → ``(frames, 2)`` float32, not clipped; may share memory with `samples`."""
        if self.exact:
            if self.right == self.left + 1:
                return samples[:, self.left : self.left + 2]
            return samples[:, (self.left, self.right)]
        return samples @ self.matrix

    def taken_from(self, stream: StreamFormat) -> Callable[[memoryview, int], npt.NDArray[np.float32]]:
        """Raw samples of a block, and how many frames they are → what `apply` makes of them, in one step where it can."""
        if not self.exact or self.right != self.left + 1 or stream.sample_format != "float32":
            return lambda data, frames: self.apply(to_float(data, stream, frames))
        array, sample, offset, strides = np.ndarray, np.float32, 4 * self.left, (stream.frame_bytes, 4)
        return lambda data, frames: array((frames, 2), sample, data, offset, strides)


def stereo_mix(channels: str, mix: str, available: int) -> StereoMix:
    """Build the mix for a device of `available` channels. Raises ConfigError."""
    items = parse_mix(channels, mix, available)
    for channel, _, _ in items:
        if channel > available:
            key = "mix" if mix.strip() else "channels"
            raise ConfigError(f"{key}: channel {channel} does not exist; the device has 1 to {available}")
    matrix = np.zeros((available, 2), np.float32)
    for channel, side, gain in items:
        for column, letter in enumerate("LR"):
            if letter in side:
                matrix[channel - 1, column] += np.float32(10 ** (gain / 20))
    exact = not mix.strip()
    return StereoMix(matrix, exact, items[0][0] - 1, items[1][0] - 1 if exact else 0)

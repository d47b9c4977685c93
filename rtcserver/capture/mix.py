"""Device channels → stereo: a pair by printed channel numbers, or a mix with gains in dB.

Pure. Channel numbers count from 1, as they are printed on the device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcserver.errors import ConfigError

_PAIR = re.compile(r"^\s*(\d{1,3})\s*[,/ ]\s*(\d{1,3})\s*$")
_ITEM = re.compile(
    r"^\s*(\d{1,3})\s*:\s*(L|R|LR)\s*(?::\s*([+-]?\d+(?:\.\d+)?)\s*(?:dB)?)?\s*$", re.IGNORECASE
)


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


def parse_mix(channels: str, mix: str) -> list[tuple[int, str, float]]:
    """The configuration's `channels` and `mix` as ``(channel, side, gain_db)`` items.

    Raises ConfigError naming the key, the value and what is allowed.
    """
    if mix.strip():
        items: list[tuple[int, str, float]] = []
        for text in mix.split(","):
            match = _ITEM.match(text)
            if match is None:
                raise ConfigError(
                    f'mix: "{text.strip()}" is not understood; write channel:side:gain_db items such as '
                    '"1:L:0, 2:R:0, 3:LR:-6" (side L, R or LR)'
                )
            gain = float(match[3] or 0)
            if not -120 <= gain <= 24:
                raise ConfigError(f"mix: a gain of {gain:g} dB is out of range; allowed are -120 to 24")
            items.append((int(match[1]), match[2].upper(), gain))
        key = "mix"
    else:
        match = _PAIR.match(channels)
        if match is None:
            raise ConfigError(
                f'channels: "{channels}" is not a pair; write two channel numbers such as "1,2"'
            )
        items = [(int(match[1]), "L", 0.0), (int(match[2]), "R", 0.0)]
        key = "channels"
    if any(channel < 1 for channel, _, _ in items):
        raise ConfigError(f"{key}: channel numbers count from 1, as printed on the device; 0 is not one")
    return items


def stereo_mix(channels: str, mix: str, available: int) -> StereoMix:
    """Build the mix for a device of `available` channels. Raises ConfigError."""
    items = parse_mix(channels, mix)
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

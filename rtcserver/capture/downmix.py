"""Any channel layout → stereo, never louder than what it is made of. Pure.

The weights are those of Rec. ITU-R BS.775-4, annex 4: centre and surround 3 dB below the front pair, no LFE. They are
scaled so that each side's add up to 1 at most: however loud the channels are together, nothing clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_HALF = float(np.sqrt(0.5))
_FULL_LEFT, _FULL_RIGHT = frozenset(("FL", "DL")), frozenset(("FR", "DR"))
_SILENT = frozenset(("LFE", "LFE2"))


def matrix(names: Sequence[str]) -> npt.NDArray[np.float32]:
    """``(channels, 2)`` float32 gains for channels of these names (FFmpeg's: FL, FR, FC, LFE, BL …).

    One channel is heard on both sides as loud as it is; two are left and right, whatever they are called. Of three
    or more without a name the first two are left and right, the others in the middle.
    """
    if len(names) == 1:
        return np.ones((1, 2), np.float32)
    if len(names) == 2:
        return np.eye(2, dtype=np.float32)
    if not any(name in _FULL_LEFT for name in names) and len(set(names)) == 1:
        names = ["FL", "FR", *["FC"] * (len(names) - 2)]
    gains = np.array([_gains(name) for name in names])
    sums = gains.sum(axis=0)
    if not sums.any():
        gains[:] = 1.0
        sums = gains.sum(axis=0)
    # One factor for both sides keeps what was in the middle there.
    return (gains / max(1.0, float(sums.max()))).astype(np.float32)


def _gains(name: str) -> tuple[float, float]:
    if name in _SILENT:
        return 0.0, 0.0
    if name in _FULL_LEFT:
        return 1.0, 0.0
    if name in _FULL_RIGHT:
        return 0.0, 1.0
    # BL, SL, TFL, WL, FLC … are on the left; BR, TBR, FRC … on the right; FC, BC, TC … in the middle.
    letters = name.removesuffix("C") if len(name) == 3 else name
    if letters.endswith("L"):
        return _HALF, 0.0
    if letters.endswith("R"):
        return 0.0, _HALF
    return _HALF, _HALF

"""Channel layouts become stereo with their sides kept, and never above full scale."""

from __future__ import annotations

import numpy as np
import pytest

from rtcserver.capture.downmix import matrix

HALF = 0.5**0.5


def test_one_channel_is_as_loud_on_both_sides_and_two_are_kept() -> None:
    for name in ("FC", "FL", "NONE", "LFE"):
        assert matrix([name]).tolist() == [[1, 1]]
    for names in (("FL", "FR"), ("DL", "DR"), ("NONE", "NONE"), ("FC", "LFE")):
        assert matrix(names).tolist() == [[1, 0], [0, 1]]


def test_surround_is_weighted_as_the_recommendation_says() -> None:
    gains = matrix(["FL", "FR", "FC", "LFE", "BL", "BR"])
    scale = 1 + 2 * HALF
    expected = [[1, 0], [0, 1], [HALF, HALF], [0, 0], [HALF, 0], [0, HALF]]
    assert gains == pytest.approx(np.array(expected) / scale, abs=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        "FL FR FC",
        "FL FR BL BR",
        "FL FR FC BC",
        "FL FR FC LFE SL SR",
        "FL FR FC LFE BL BR FLC FRC",
        "FL FR FC LFE BL BR SL SR TFL TFC TFR TBL TBC TBR WL WR",
        "NONE NONE NONE",
        " ".join(["NONE"] * 8),
        "LFE LFE2 LFE",
        "AMBI0 AMBI1 AMBI2 AMBI3",
    ],
)
def test_no_layout_gets_louder_or_loses_a_side(names: str) -> None:
    channels = names.split()
    gains = matrix(channels)
    assert gains.shape == (len(channels), 2)
    assert gains.sum(axis=0).max() <= 1 + 1e-6
    assert gains.sum(axis=0).min() > 0.5
    for name, (left, right) in zip(channels, gains, strict=True):
        if name in ("FL", "BL", "SL", "TFL", "TBL", "WL", "FLC"):
            assert left > 0 == right
        if name in ("FR", "BR", "SR", "TFR", "TBR", "WR", "FRC"):
            assert right > 0 == left

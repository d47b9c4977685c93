"""Channel meters: a full-scale sine reads 0 dBFS RMS, the peak is held and falls slowly, silence is the floor."""

from __future__ import annotations

import numpy as np
import pytest

from rtcserver.capture.meters import FLOOR_DBFS, ChannelMeters, Reading

BLOCK = 441
"""Frames of a block at 44.1 kHz: 10 periods of 1 kHz."""


def sine(dbfs: float) -> np.ndarray:
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * 10 * np.arange(BLOCK) / BLOCK)


def test_levels_are_relative_to_a_full_scale_sine_for_each_channel() -> None:
    meters = ChannelMeters(3)
    for _ in range(400):
        meters.push(np.stack([sine(0), sine(-20), np.zeros(BLOCK)], axis=1).astype(np.float32))
    assert meters.rms_dbfs() == pytest.approx([0, -20, FLOOR_DBFS], abs=0.01)
    assert meters.peak_dbfs() == pytest.approx([0, -20, FLOOR_DBFS], abs=0.1)


def test_a_peak_is_held_while_it_falls_by_two_per_mille_a_block() -> None:
    meters = ChannelMeters(1)
    meters.push(np.full((BLOCK, 1), 0.5, np.float32))
    for _ in range(100):
        meters.push(np.zeros((BLOCK, 1), np.float32))
    assert meters.peak_dbfs() == pytest.approx([20 * np.log10(0.5 * 0.998**100)], abs=0.01)


def test_a_reading_is_rounded_for_json() -> None:
    reading = Reading("MONTAGE", 44_100, [-12.345, FLOOR_DBFS], [-1.0, FLOOR_DBFS])
    assert reading.to_json() == {"device": "MONTAGE", "rate": 44_100, "rms_dbfs": [-12.3, -90.0]}

"""Levels of a device's channels: RMS and peak hold, and the readings of a device while it plays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import to_float
from rtcserver.capture.portaudio import PortAudioSource
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig

FLOOR_DBFS = -90.0
_READ_S = 0.05


class ChannelMeters:
    """RMS and peak hold of each channel. Pure: samples in, dBFS out."""

    def __init__(self, channels: int) -> None:
        self._power = np.zeros(channels)
        self._peak = np.zeros(channels)

    def push(self, samples: npt.NDArray[np.float32]) -> None:
        """``(frames, channels)`` float32. Smooths over about 100 blocks."""
        self._power += (np.mean(samples.astype(np.float64) ** 2, axis=0) - self._power) * 0.05
        self._peak = np.maximum(self._peak * 0.998, np.abs(samples).max(axis=0))

    def rms_dbfs(self) -> list[float]:
        """RMS relative to a full-scale sine, floored at -90."""
        return [max(FLOOR_DBFS, 10 * float(np.log10(max(p * 2, 1e-12)))) for p in self._power]

    def peak_dbfs(self) -> list[float]:
        """Held peak relative to full scale, floored at -90."""
        return [max(FLOOR_DBFS, 20 * float(np.log10(max(p, 1e-12)))) for p in self._peak]


@dataclass(frozen=True, slots=True)
class Reading:
    """The levels of a device's channels at one moment, in dBFS."""

    device: str
    rate: int
    rms_dbfs: list[float]
    peak_dbfs: list[float]

    def to_json(self) -> dict[str, object]:
        """For ``rtcserver devices --meters NAME --json``."""
        rms = [round(level, 1) for level in self.rms_dbfs]
        return {"device": self.device, "rate": self.rate, "rms_dbfs": rms}


def metered(name: str, seconds: float) -> Iterator[Reading]:
    """Open the PortAudio device that `name` means, and read its levels some 20 times a second.

    seconds: how long; 0 is without end. There is at least one reading. Raises InstrumentError.
    """
    source = PortAudioSource(InstrumentConfig(instrument="portaudio", device=name, channels="1,1"))
    stream, ring = source.open()
    meters = ChannelMeters(stream.channels)
    end_ns = monotonic_ns() + round(seconds * NS)
    try:
        while True:
            time.sleep(_READ_S)
            ring.clear_wakeup()
            while (item := ring.read()) is not None:
                block = item[0]
                meters.push(to_float(block.data, stream, block.frames))
            yield Reading(source.name, stream.rate, meters.rms_dbfs(), meters.peak_dbfs())
            if seconds and monotonic_ns() >= end_ns:
                return
    finally:
        source.close()

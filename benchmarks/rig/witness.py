"""A headless listener beside a page that is measured: it knows when each sample was captured, and when its packet came."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtcserver.client.listener import Listener
from rtcserver.client.measure import Samples
from rtcserver.client.midi import MidiClient
from rtcserver.clock import MEDIA_RATE


class Witness:
    """A headless listener: when each sample was captured, and when its packet came."""

    def __init__(self, url: str) -> None:
        self.midi = MidiClient()
        self.ear = Listener(url, channels=self.midi, on_audio=self._add, keep_s=1)
        self._parts: list[Samples] = []

    def _add(self, samples: Samples) -> None:
        self._parts.append(samples)

    def sound(self) -> npt.NDArray[np.float64]:
        """All that was heard so far, mono; index 0 is the first packet's timestamp."""
        whole: npt.NDArray[np.float64] = np.concatenate(self._parts).astype(np.float64).mean(axis=1) / 32_768
        return whole

    def index_of(self, media_time: float) -> int:
        """Where a moment is in `sound`."""
        first = self.ear.packets[0].timestamp
        ahead = (round(media_time) + int(self.midi.welcome["rtp_offset"]) - first) & 0xFFFF_FFFF
        return ahead - (1 << 32) if ahead >= 1 << 31 else ahead

    def arrival_ns(self, index: int) -> int | None:
        """When the packet with this sample came."""
        first = self.ear.packets[0].timestamp
        found = None
        for packet in reversed(self.ear.packets):
            at = (packet.timestamp - first) & 0xFFFF_FFFF
            if at <= index:
                found = packet.arrival_ns if index - at < MEDIA_RATE * 60 // 1000 else None
                break
        return found

"""What aiortc has decoded, as stereo at 48 kHz."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

from rtcserver.client.measure import RATE, Samples


class Stereo:
    """One track's frames; what has one channel is on both sides."""

    def __init__(self) -> None:
        self._upsampler = av.AudioResampler("s16", "mono", RATE)

    def take(self, frame: av.AudioFrame) -> Iterator[tuple[int, Samples]]:
        """``(frames, 2) int16``, and the place of the first."""
        one = len(frame.layout.channels) == 1
        for upsampled in self._upsampler.resample(frame) if one else (frame,):
            samples = upsampled.to_ndarray().astype(np.int16, copy=False).reshape(-1, 1 if one else 2)
            yield upsampled.pts or 0, np.repeat(samples, 2, axis=1) if one else samples

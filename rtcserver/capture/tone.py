"""The tone instrument: a sine a side at a stated level, for tests and line-up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.source import ClockedSource
from rtcserver.config.model import InstrumentConfig


class ToneSource(ClockedSource):
    """Two sines; the phase is computed from the frame number, so it never drifts."""

    joins = True

    def __init__(self, config: InstrumentConfig) -> None:
        rate = config.samplerate or 48_000
        super().__init__(
            f"tone {config.tone_left_hz:g} Hz / {config.tone_right_hz:g} Hz",
            StreamFormat(rate, 2, config.blocksize),
        )
        self._step = np.array([config.tone_left_hz, config.tone_right_hz]) / rate
        self._amplitude = 10 ** (config.tone_dbfs / 20)

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.float32]:
        # The whole-cycle part is taken out before the sine: exact after days, too.
        cycles = np.mod(np.arange(first_frame, first_frame + frames)[:, None] * self._step, 1.0)
        return (self._amplitude * np.sin(2 * np.pi * cycles)).astype(np.float32)

    def render_blocks(self, count: int, first_frame: int) -> npt.NDArray[np.float32]:
        return self.render(count * self.stream.blocksize, first_frame)

"""The file instrument: any sound file that PyAV reads, looped without a gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtcserver.capture import loading
from rtcserver.capture.ahead import DecodeAhead
from rtcserver.capture.block import StreamFormat
from rtcserver.capture.decode import Samples, decode
from rtcserver.capture.source import ClockedSource
from rtcserver.clock import MEDIA_RATE
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError


class FileSource(ClockedSource):
    """Streams the file at 48 kHz stereo (or `samplerate`), round and round.

    Raises InstrumentError for a file of which nothing can be played; it is made as soon as the first sound of the
    file is decoded, however long that is.
    """

    joins = True

    def __init__(self, config: InstrumentConfig) -> None:
        if not config.file:
            raise InstrumentError('file: instrument "file" needs a file to play', code="missing")
        path = Path(config.file)
        rate = config.samplerate or MEDIA_RATE
        super().__init__(path.name, StreamFormat(rate, 2, config.blocksize))
        self._next = 0
        self._ahead = DecodeAhead(path.name, rate, lambda tally: decode(path, rate, tally))
        try:
            # A disk may be slow, and much of a damaged file may come before its first sound.
            with loading.working(f"loading {path.name}"):
                self._ahead.wait()
        except InstrumentError:
            self._ahead.close()
            raise

    @property
    def note(self) -> str | None:
        """One line about what of the file was left out; None if nothing was."""
        return self._ahead.note

    @property
    def starved(self) -> int:
        """Frames of silence because decoding was late."""
        return self._ahead.starved

    def wait(self, frames: int, timeout_s: float) -> bool:
        """Wait until so many frames (at most ten seconds of them) can be rendered at once."""
        return self._ahead.wait(frames, timeout_s)

    def render(self, frames: int, first_frame: int) -> Samples:
        """The file's frames; what lies between two calls is skipped, as far as it is decoded."""
        try:
            if first_frame > self._next:
                self._ahead.skip(first_frame - self._next)
            self._next = first_frame + frames
            return self._ahead.read(frames)
        except InstrumentError as error:
            self.fault = error
            return np.zeros((frames, 2), np.float32)

    def render_blocks(self, count: int, first_frame: int) -> Samples:
        return self.render(count * self.stream.blocksize, first_frame)

    def close(self) -> None:
        super().close()
        self._ahead.close()

"""The file instrument: any sound file that PyAV reads, looped without a gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.source import ClockedSource
from rtcserver.clock import MEDIA_RATE
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError

MAX_SECONDS = 3600
"""A longer file is refused: it is decoded into memory, 384 kB a second."""


class FileSource(ClockedSource):
    """Decodes the file once to 48 kHz stereo (or `samplerate`), then plays it round and round."""

    def __init__(self, config: InstrumentConfig) -> None:
        if not config.file:
            raise InstrumentError('file: instrument "file" needs a file to play', code="missing")
        path = Path(config.file)
        rate = config.samplerate or MEDIA_RATE
        super().__init__(path.name, StreamFormat(rate, 2, config.blocksize))
        self._samples = decode(path, rate)

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.float32]:
        total = len(self._samples)
        index = np.arange(first_frame, first_frame + frames) % total
        return self._samples[index]


def decode(path: Path, rate: int) -> npt.NDArray[np.float32]:
    """The first audio stream of a file as ``(frames, 2)`` float32 at `rate` Hz.

    Raises InstrumentError that names the file and what is wrong with it.
    """
    import av

    if not path.is_file():
        raise InstrumentError(f"file: {path} does not exist or is not a file", code="missing")
    parts: list[npt.NDArray[np.float32]] = []
    frames = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InstrumentError(f"file: {path.name} has no audio stream", code="format")
            resampler = av.AudioResampler(format="flt", layout="stereo", rate=rate)
            for decoded in container.decode(audio=0):
                for out in resampler.resample(decoded):
                    parts.append(out.to_ndarray().reshape(-1, 2).astype(np.float32))
                    frames += len(parts[-1])
                if frames > MAX_SECONDS * rate:
                    raise InstrumentError(
                        f"file: {path.name} is longer than {MAX_SECONDS // 60} minutes", code="format"
                    )
            parts.extend(
                out.to_ndarray().reshape(-1, 2).astype(np.float32) for out in resampler.resample(None)
            )
    except av.FFmpegError as error:
        raise InstrumentError(
            f"file: {path.name} cannot be read as sound: {error.strerror}", code="format"
        ) from error
    samples = np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
    if not len(samples):
        raise InstrumentError(f"file: {path.name} holds no samples", code="format")
    return samples

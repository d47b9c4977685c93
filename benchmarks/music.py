"""What the benchmarks play: the demo piece from the embedded synthesizer, and WAV files."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtcserver.capture.fluid import FluidSynthSource
from rtcserver.clock import MEDIA_RATE
from rtcserver.config import InstrumentConfig

Stereo16 = npt.NDArray[np.int16]
_BLOCK = 128


def demo_piece(samples: int) -> Stereo16:
    """The demo piece from its beginning, ``(samples, 2)`` int16 at 48 kHz.

    Raises InstrumentError or DependencyError if there is no SoundFont or no synthesizer.
    """
    source = FluidSynthSource(InstrumentConfig(instrument="fluidsynth", samplerate=MEDIA_RATE))
    parts = [source.render(_BLOCK, first) for first in range(0, samples, _BLOCK)]
    source.close()
    return np.concatenate(parts)[:samples]


def write_wav(path: Path, samples: Stereo16) -> None:
    """A stereo file of 16 bits at 48 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(MEDIA_RATE)
        file.writeframes(samples.astype("<i2").tobytes())


def read_wav(path: Path) -> Stereo16:
    """``(frames, 2)`` int16 of a stereo file of 16 bits at 48 kHz. Raises ValueError for another kind."""
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (2, 2, MEDIA_RATE):
            raise ValueError(f"{path.name} is not 16-bit stereo at 48 kHz")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)

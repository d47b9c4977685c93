"""What the benchmarks play, from the embedded synthesizer, and WAV files."""

from __future__ import annotations

import random
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtcserver.capture.fluid import FluidSynthSource
from rtcserver.clock import MEDIA_RATE
from rtcserver.config.model import InstrumentConfig

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


def dense_piece(samples: int) -> Stereo16:
    """Five instruments all over the stereo picture with drums, at once: hard on a codec. Always the same."""
    config = InstrumentConfig(instrument="fluidsynth", samplerate=MEDIA_RATE, demo=False, gain=0.25)
    source = FluidSynthSource(config)
    chance = random.Random(7)
    # Harpsichord, strings, piano, steel guitar, vibraphone; programs and pans.
    for channel, (program, pan) in enumerate(((6, 30), (48, 90), (0, 64), (25, 110), (11, 20))):
        source.midi(bytes((0xC0 | channel, program)))
        source.midi(bytes((0xB0 | channel, 10, pan)))
    sounding: dict[int, list[int]] = {}
    parts = []
    for number, first in enumerate(range(0, samples, _BLOCK)):
        beat, rest = divmod(number, 45)  # 120 ms
        if rest == 0:
            channel = beat % 5
            root = (48, 50, 53, 55)[beat // 32 % 4]
            for note in sounding.pop(channel, []):
                source.midi(bytes((0x80 | channel, note, 0)))
            sounding[channel] = [
                root + 12 * chance.randrange(3) + chance.choice((0, 3, 7, 10, 14)) for _ in "ab"
            ]
            for note in sounding[channel]:
                source.midi(bytes((0x90 | channel, note, chance.randrange(70, 115))))
            for drum, every, at in ((42, 2, 0), (36, 8, 0), (38, 8, 4)):
                if beat % every == at:
                    source.midi(bytes((0x99, drum, 95)))
        parts.append(source.render(_BLOCK, first))
    source.close()
    return np.concatenate(parts)[:samples]


def write_wav(path: Path, samples: Stereo16, rate: int = MEDIA_RATE) -> None:
    """A stereo file of 16 bits. rate: Hz that it says."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def read_wav(path: Path) -> Stereo16:
    """``(frames, 2)`` int16 of a stereo file of 16 bits at 48 kHz. Raises ValueError for another kind."""
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (2, 2, MEDIA_RATE):
            raise ValueError(f"{path.name} is not 16-bit stereo at 48 kHz")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)

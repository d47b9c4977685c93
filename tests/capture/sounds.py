"""Sound files for tests, written by PyAV, and what is heard in samples."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]


def tones(*hz: float, rate: int = 48_000, seconds: float = 1.0, peak: float = 0.25) -> Ints:
    """``(frames, channels)``: a tone on each channel."""
    at = np.arange(round(rate * seconds)) / rate
    waves = [np.sin(2 * np.pi * each * at) for each in hz]
    return np.round(peak * 32767 * np.stack(waves, axis=1)).astype(np.int16)


def write_wav(path: Path, samples: Ints, rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def encode(path: Path, samples: Ints, rate: int, codec: str, layout: str = "stereo") -> Path:
    """Write a file in the format that its name says. codec: of FFmpeg."""
    with av.open(f"file:{path}", "w") as container:
        # FFmpeg calls its own Vorbis encoder experimental; it takes two channels only.
        stream = container.add_stream(codec, rate=rate, options={"strict": "experimental"})
        stream.layout = layout  # type: ignore[attr-defined]  # of an audio stream
        for first in range(0, len(samples), 960):
            part = samples[first : first + 960]
            frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), "s16", layout)
            frame.sample_rate, frame.pts = rate, first
            container.mux(stream.encode(frame))  # type: ignore[attr-defined]  # of an audio stream
        container.mux(stream.encode(None))  # type: ignore[attr-defined]  # of an audio stream
    return path


def pitches(samples: Floats, rate: int = 48_000) -> list[int]:
    """The strongest frequency of each side, in Hz."""
    window = np.hanning(len(samples))[:, None]
    spectrum = np.abs(np.fft.rfft(samples * window, axis=0))
    return [round(int(k) * rate / len(samples)) for k in spectrum.argmax(axis=0)]


def level(samples: Floats) -> npt.NDArray[np.float64]:
    """The RMS of each side."""
    return np.asarray(np.sqrt(np.mean(samples.astype(np.float64) ** 2, axis=0)))

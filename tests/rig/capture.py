"""Record a PortAudio device in this process: what the rig's own tests and the benchmarks listen with."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Recording:
    """samples: ``(frames, channels) float32``. overflows: blocks flagged as preceded by a loss."""

    samples: npt.NDArray[np.float32]
    rate: int
    overflows: int

    def hz(self, column: int) -> float:
        """Frequency of the strongest bin of one column (from 0); exact for whole Hz over a whole second."""
        spectrum = np.abs(np.fft.rfft(self.samples[:, column]))
        return float(spectrum.argmax() * self.rate / len(self.samples))

    def dbfs(self, column: int) -> float:
        """RMS level relative to a full-scale sine."""
        return float(10 * np.log10(2 * np.mean(np.square(self.samples[:, column], dtype=np.float64)) + 1e-20))


def record(device: str, channels: int, rate: int, frames: int, blocksize: int = 128) -> Recording:
    """Record exactly `frames` frames from the device of this name. Call it inside ``server.portaudio()``."""
    import sounddevice

    blocks: list[bytes] = []
    overflows = 0
    done = threading.Event()

    def callback(data: Any, count: int, time: Any, status: Any) -> None:
        nonlocal overflows
        blocks.append(bytes(data))
        overflows += bool(status.input_overflow)
        if len(blocks) * blocksize >= frames:
            done.set()

    with sounddevice.RawInputStream(
        device=device,
        channels=channels,
        samplerate=rate,
        blocksize=blocksize,
        dtype="float32",
        callback=callback,
    ):
        if not done.wait(5 + 2 * frames / rate):
            raise TimeoutError(f"{device} delivered {len(blocks)} blocks only")
    samples = np.frombuffer(b"".join(blocks), np.float32).reshape(-1, channels)[:frames]
    return Recording(samples, rate, overflows)

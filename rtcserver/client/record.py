"""A WAV file that grows while the headless client listens."""

from __future__ import annotations

import wave
from pathlib import Path

from rtcserver.client.measure import RATE, Samples

MAX_BYTES = 0xFFFF_FF00
"""Most bytes of samples in a file: WAV has 32 bits for its sizes. What would come after them is not written."""


class Recorder:
    """A stereo WAV file. Making a recorder opens the file, or raises OSError.

    The first samples that are written settle the file's rate and bits. full: whether samples had to be left out,
    since the file had reached `MAX_BYTES`.
    """

    def __init__(self, path: Path) -> None:
        self.full = False
        self._raw = path.open("wb")
        self._file: wave.Wave_write | None = None
        self._bytes = 0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened(RATE, 16).close()
        self._raw.close()

    def write(self, samples: Samples) -> None:
        """Write ``(frames, 2) int16`` at 48 kHz."""
        self.write_pcm(samples.astype("<i2").tobytes(), RATE, 16)

    def write_pcm(self, data: bytes, rate: int, bits: int) -> None:
        """Write whole frames of interleaved little-endian samples. `rate` and `bits` are the same in every call."""
        file = self._opened(rate, bits)
        if self._bytes + len(data) > MAX_BYTES:
            self.full = True
        if not self.full:
            self._bytes += len(data)
            file.writeframesraw(data)

    def _opened(self, rate: int, bits: int) -> wave.Wave_write:
        if self._file is None:
            self._file = wave.open(self._raw, "wb")  # noqa: SIM115  # closed by __exit__
            self._file.setnchannels(2)
            self._file.setsampwidth(bits // 8)
            self._file.setframerate(rate)
        return self._file

"""The embedded instrument: FluidSynth with a General MIDI SoundFont, clocked like a device.

FluidSynth and its messages are touched by the source's thread only; `midi` hands messages over
through a bounded queue.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.capture import demo
from rtcserver.capture.block import StreamFormat
from rtcserver.capture.source import ClockedSource
from rtcserver.clock import MEDIA_RATE
from rtcserver.config import InstrumentConfig
from rtcserver.errors import DependencyError, InstrumentError

SOUNDFONTS = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/soundfonts/default.sf2",
    "/usr/share/soundfonts/FluidR3_GM.sf2",
)
"""Where Debian, Fedora and Arch put General MIDI SoundFonts."""
MAX_PENDING = 4096
"""Messages that may wait for the next block; the oldest are dropped beyond."""


def find_soundfont(configured: str) -> Path:
    """The SoundFont to load. Raises InstrumentError with the command that installs one."""
    if configured:
        path = Path(configured)
        if not path.is_file():
            raise InstrumentError(f"soundfont: {configured} does not exist", code="missing")
        return path
    # The small one first: the server as a whole stays under 200 MB, and it starts at once.
    for name in sorted(SOUNDFONTS, key=lambda n: "TimGM" not in n):
        if Path(name).is_file():
            return Path(name)
    raise InstrumentError(
        "no SoundFont found; install one with: sudo apt-get install timgm6mb-soundfont", code="missing"
    )


def load_library() -> Any:
    """pyfluidsynth. Raises DependencyError with the command that installs libfluidsynth."""
    try:
        import fluidsynth
    except Exception as error:
        raise DependencyError(
            "libfluidsynth is missing; install it with: sudo apt-get install libfluidsynth3"
        ) from error
    return fluidsynth


class FluidSynthSource(ClockedSource):
    """A playable General MIDI synth; plays the demo piece while nobody plays."""

    def __init__(self, config: InstrumentConfig) -> None:
        rate = config.samplerate or MEDIA_RATE
        if rate > 96_000:
            raise InstrumentError(
                f"samplerate: {rate} is too high for FluidSynth; allowed are 44100 to 96000", code="rate"
            )
        path = find_soundfont(config.soundfont)
        self._library = load_library()
        super().__init__(f"FluidSynth ({path.stem})", StreamFormat(rate, 2, config.blocksize, "int16"))
        self._synth = self._library.Synth(gain=config.gain, samplerate=float(rate))
        if self._synth.sfload(str(path)) < 0:
            raise InstrumentError(f"soundfont: {path.name} is no SoundFont that can be read", code="format")
        for channel in range(16):
            self._synth.program_select(channel, 1, 128 if channel == 9 else 0, 0)
        self._demo = demo.DemoPlayer(rate) if config.demo else None
        if self._demo is not None:
            for message in demo.setup():
                self._apply(message)
        self._pending: deque[bytes] = deque(maxlen=MAX_PENDING)
        self.dropped_messages = 0

    def midi(self, message: bytes) -> None:
        """Play one complete channel message at the start of the next block. Any thread."""
        if len(self._pending) == MAX_PENDING:
            self.dropped_messages += 1
        self._pending.append(message)

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.int16]:
        played = False
        while self._pending:
            message = self._pending.popleft()
            if not played and self._demo is not None:
                for off in self._demo.interrupt(first_frame):
                    self._apply(off)
            played = True
            self._apply(message)
        if self._demo is not None:
            for message in self._demo.due(first_frame, frames):
                self._apply(message)
        samples: npt.NDArray[np.int16] = self._synth.get_samples(frames)
        return samples.reshape(frames, 2)

    def close(self) -> None:
        super().close()
        if self._synth is not None and (self._thread is None or not self._thread.is_alive()):
            self._synth.delete()
            self._synth = None

    def _apply(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        synth = self._synth
        if kind == 0x90 and message[2]:
            synth.noteon(channel, message[1], message[2])
        elif kind in (0x80, 0x90):
            synth.noteoff(channel, message[1])
        elif kind == 0xB0:
            synth.cc(channel, message[1], message[2])
        elif kind == 0xC0:
            synth.program_change(channel, message[1])
        elif kind == 0xE0:
            synth.pitch_bend(channel, ((message[2] << 7) | message[1]) - 8192)

"""The embedded instrument: FluidSynth with a General MIDI SoundFont, clocked like a device.

FluidSynth and its messages are touched by the source's thread only; `midi` hands messages over
through a bounded queue.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.capture import demo, loading, soundfont
from rtcserver.capture.block import StreamFormat
from rtcserver.capture.limiter import Limiter
from rtcserver.capture.priority import ordinary_priority
from rtcserver.capture.source import ClockedSource
from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import DependencyError, InstrumentError
from rtcserver.heap import let_code_go, trim
from rtcserver.midi import message as m
from rtcserver.midi.merge import Merger
from rtcserver.midi.message import MessageKind
from rtcserver.midi.performers import ROOM
from rtcserver.midi.schedule import Schedule

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
SYNTH_BUFFER = 64
"""Frames that FluidSynth computes at a time (FLUID_BUFSIZE, fixed when it is built)."""
VOICES, FEW_VOICES, MANY = 256, 64, 24
"""FluidSynth's own number of voices, of 11 KB each; those that it begins with; and from how many that sound all are made:
one note may take a dozen, and to make them takes a tenth of a millisecond, once."""
READING = 0.9
"""Share of a large SoundFont's reading in its loading."""

LEVEL_CHORD = (48, 52, 55, 60, 64, 67)
"""Two C major triads: the full chord that sets the level, at velocity 127 on the SoundFont's first sound."""
LEVEL = 0.5
"""Its peak: 6 dB below full scale, as loud as other music, with room for more voices."""
LEVEL_S = 1.0
MAX_TAIL_S = 10.0
SILENT = 1e-6
"""120 dB below full scale: FluidSynth adds a constant 1e-8 against denormal numbers."""
_FULL_SCALE = np.float32(32767)
MAX_LEVELLING = 8.0
"""The factor by which a SoundFont is made louder or softer at most."""


_refused: set[tuple[str, int, int]] = set()
"""SoundFonts (path, time and size) that FluidSynth could not read. It says so at length on stderr, each time it tries."""


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
        # It prints where it has found the library if ``CI`` is in the environment.
        with contextlib.redirect_stdout(None):
            import fluidsynth
    except Exception as error:
        raise DependencyError(
            "libfluidsynth is missing; install it with: sudo apt-get install libfluidsynth3"
        ) from error
    # pyfluidsynth declares none of these; without their types, 64-bit pointers would be cut to 32 bits.
    pointer, number = ctypes.c_void_p, ctypes.c_int
    fluidsynth._fl.fluid_synth_channel_pressure.argtypes = [pointer, number, number]
    fluidsynth._fl.fluid_synth_write_float.argtypes = [pointer, number, *(2 * [pointer, number, number])]
    fluidsynth._fl.fluid_synth_set_gain.argtypes = [pointer, ctypes.c_float]
    fluidsynth._fl.fluid_synth_get_active_voice_count.argtypes = [pointer]
    fluidsynth._fl.fluid_synth_set_polyphony.argtypes = [pointer, number]
    fluidsynth._fl.fluid_synth_system_reset.argtypes = [pointer]
    return fluidsynth


class FluidSynthSource(ClockedSource):
    """A playable General MIDI synth; plays the demo piece while nobody plays."""

    joins = True

    def __init__(self, config: InstrumentConfig) -> None:
        rate = config.samplerate or MEDIA_RATE
        if rate > 96_000:
            raise InstrumentError(
                f"samplerate: {rate} is too high for FluidSynth; allowed are 44100 to 96000", code="rate"
            )
        path = find_soundfont(config.soundfont)
        self._library = load_library()
        super().__init__(f"FluidSynth ({path.stem})", StreamFormat(rate, 2, config.blocksize, "int16"))
        self._synth = self._library.Synth(
            gain=1.0, samplerate=float(rate), channels=m.CHANNELS, **{"synth.polyphony": FEW_VOICES}
        )
        self._few_voices = True
        with ordinary_priority():
            self._load(path)
            self._level(config.gain)
        for channel in range(m.CHANNELS):
            self._synth.program_select(channel, 1, 128 if channel == 9 else 0, 0)
        self._demo = demo.DemoPlayer(rate) if config.demo else None
        if self._demo is not None:
            for message in demo.setup():
                self._apply(message)
        self._pending: deque[tuple[str, int, bytes, int, int]] = deque(maxlen=MAX_PENDING)
        self._merger = Merger()
        self._schedule = Schedule()
        """By frame number."""
        self._rendered = 0
        self._limiter = Limiter(rate)

    @property
    def demo_ns(self) -> int:
        since = self._demo.since if self._demo is not None else None
        return 0 if since is None else self.start_ns + since * NS // self.stream.rate

    def midi(self, message: bytes, at_ns: int = 0, performer: int = ROOM) -> None:
        """Play one complete channel message for `performer`. Any thread.

        at_ns: monotonic ns at which it is to sound: at that frame, as near as FluidSynth can (see `_grid`).
        0, or what is past already, is played at the start of the next block.
        """
        self._hand_over("play", performer, message, at_ns)

    def release(self, performer: int) -> None:
        """Let go of all that `performer` holds, and drop what is scheduled for them. Any thread."""
        self._hand_over("release", performer, b"", 0)

    def silence(self) -> None:
        """Let go of all that anybody holds, and of what hangs for other reasons. Any thread."""
        self._hand_over("silence", ROOM, b"", 0)

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.int16]:
        return self._render(frames, first_frame, frames)

    def render_blocks(self, count: int, first_frame: int) -> npt.NDArray[np.int16]:
        return self._render(count * self.stream.blocksize, first_frame, self.stream.blocksize)

    def _render(self, frames: int, first_frame: int, size: int) -> npt.NDArray[np.int16]:
        """Frames in blocks of `size`: what nobody plays into is computed in one piece."""
        if frames > len(self._sound):
            self._make_room(frames)
        begins_ns = self.start_ns + (first_frame + frames - size) * NS // self.stream.rate
        done = 0
        if size < frames and self._quiet(first_frame, frames, begins_ns):
            self._rendered += frames
        else:
            done = self._render_played(frames, first_frame, size)
        if done < frames:
            self._write(done, frames)
        # FluidSynth's own 16 bits are dithered: silence would have Opus spend its whole rate on noise.
        sound = self._limiter.apply(self._sound[:frames])
        np.multiply(sound, _FULL_SCALE, out=sound)
        return np.rint(sound, out=sound).astype(np.int16)

    def _render_played(self, frames: int, first_frame: int, size: int) -> int:
        """Frames into which somebody plays, or the demo piece; how many of them have been computed."""
        done = 0
        for at in range(0, frames, size):
            first = first_frame + at
            # Of several blocks, each has what had come when it began.
            until_ns = self.start_ns + first * NS // self.stream.rate if size < frames else None
            if self._quiet(first, size, until_ns):
                self._rendered += size
                continue
            if at > done:
                self._write(done, at)
                done = at
            for offset, performer, message in self._begin_block(first, size, until_ns):
                if at + offset > done:
                    self._write(done, at + offset)
                    done = at + offset
                self._apply_all(self._merger.apply(performer, message))
            self._rendered += size
        return done

    def _quiet(self, first: int, size: int, until_ns: int | None) -> bool:
        """Whether a block has nothing but what sounds already."""
        if self._pending and (until_ns is None or self._pending[0][4] <= until_ns):
            return False
        due = self._schedule.next_ns
        if due is not None and due < first + size + SYNTH_BUFFER // 2:
            return False
        return self._demo is None or (not self._may_rest and self._demo.quiet(first, size))

    def _begin_block(self, first: int, size: int, until_ns: int | None) -> list[tuple[int, int, bytes]]:
        """Apply what is due at the beginning of a block; ``(offset, performer, message)`` for the rest of it."""
        cuts: list[tuple[int, int, bytes]] = []
        self._take_over(first, cuts, until_ns)
        cuts += [
            (self._grid(frame - first, size), performer, message)
            for frame, performer, message in self._schedule.due(first + size + SYNTH_BUFFER // 2 - 1)
        ]
        if cuts:
            self._interrupt_demo(first)
        if self._demo is not None:
            self._apply_all(self._demo.hush() if self._may_rest else self._demo.due(first, size))
        return cuts

    def settled(self, block: npt.NDArray[Any]) -> bool:
        """Once all has died away and nothing is to be played."""
        return not self._pending and not self._schedule and not block.any()

    def _load(self, path: Path) -> None:
        """Load the SoundFont. FluidSynth says nothing on the way, so what is slow, the disk, is done before."""
        what = f"loading {path.name}"
        try:
            fault = soundfont.fault(path)
            seen = (str(path), path.stat().st_mtime_ns, path.stat().st_size)
        except OSError as error:
            raise InstrumentError(
                f"soundfont: {path.name} cannot be read: {error.strerror}", code="missing"
            ) from error
        if fault:
            raise InstrumentError(f"soundfont: {path.name} {fault}", code="format")
        loading.read_ahead(path, what, READING)
        with loading.working(what, READING if path.stat().st_size >= loading.READ_AHEAD_BYTES else None):
            if seen in _refused or self._synth.sfload(str(path)) < 0:
                _refused.add(seen)
                raise InstrumentError(
                    f"soundfont: {path.name} is no SoundFont that can be read", code="format"
                )
        # FluidSynth has read it in pieces, which are free by now, and its many libraries have begun.
        let_code_go()
        trim()

    def _level(self, gain: float) -> None:
        """Set the gain so that at `gain` 1 the chord of `LEVEL_CHORD` peaks at `LEVEL`, whatever the SoundFont.

        SoundFonts differ by more than 10 dB. The chord is computed, not heard.
        """
        library, synth = self._library._fl, self._synth.synth
        library.fluid_synth_set_gain(synth, 1.0)
        self._synth.program_select(0, 1, 0, 0)
        for key in LEVEL_CHORD:
            self._synth.noteon(0, key, 127)
        frames = round(self.stream.rate * LEVEL_S) // SYNTH_BUFFER * SYNTH_BUFFER
        self._make_room(frames)
        self._write(0, frames)
        peak = float(np.abs(self._sound).max())
        # Until chord and reverberation have died away: players come to a silent instrument.
        self._synth.cc(0, m.ALL_SOUND_OFF, 0)
        for _ in range(round(MAX_TAIL_S / LEVEL_S)):
            self._write(0, frames)
            if np.abs(self._sound).max() < SILENT:
                break
        self._make_room(self.stream.blocksize)
        library.fluid_synth_system_reset(synth)
        # A SoundFont without a piano stays as it is.
        factor = min(max(LEVEL / peak, 1 / MAX_LEVELLING), MAX_LEVELLING) if peak > 1e-4 else 1.0
        library.fluid_synth_set_gain(synth, gain * factor)

    def _make_room(self, frames: int) -> None:
        """For so many frames, and as they are computed."""
        self._sound = np.empty((frames, 2), np.float32)
        self._address = self._sound.ctypes.data
        self._compute = self._library._fl.fluid_synth_write_float

    def _write(self, first: int, end: int) -> None:
        """Have FluidSynth compute these frames of `_sound`."""
        into = self._address + first * self._sound.itemsize * 2
        self._compute(self._synth.synth, end - first, into, 0, 2, into, 1, 2)

    def close(self) -> None:
        super().close()
        if self._synth is not None and (self._thread is None or not self._thread.is_alive()):
            self._synth.delete()
            self._synth = None

    def _hand_over(self, what: str, performer: int, message: bytes, at_ns: int) -> None:
        if len(self._pending) == MAX_PENDING:
            self.dropped_messages += 1
        self._pending.append((what, performer, message, at_ns, monotonic_ns()))
        self._wake.set()

    def _take_over(self, first_frame: int, cuts: list[tuple[int, int, bytes]], until_ns: int | None) -> None:
        """Sort what came since the last block, up to `until_ns`, into `cuts`, the schedule, or at once."""
        rate = self.stream.rate
        while self._pending and (until_ns is None or self._pending[0][4] <= until_ns):
            what, performer, message, at_ns, _ = self._pending.popleft()
            if what == "play":
                frame = ((at_ns - self.start_ns) * rate * 2 + NS) // (2 * NS) if at_ns else first_frame
                if frame <= first_frame:
                    cuts.append((0, performer, message))
                else:
                    cuts += [(0, *early) for early in self._schedule.add(performer, message, frame)]
                continue
            # A release ends what came before it, not what comes after.
            for _, player, played in cuts:
                self._apply_all(self._merger.apply(player, played))
            cuts.clear()
            if what == "release":
                self._schedule.cancel(performer)
                self._apply_all(self._merger.release(performer))
            else:
                self._schedule.clear()
                self._apply_all(self._merger.silence())

    def _grid(self, offset: int, frames: int) -> int:
        """Where to cut the block so that an event at `offset` sounds as near to it as possible.

        FluidSynth computes in buffers of 64 frames and starts voices at their beginning: half a buffer at
        most lies between the frame asked for and the one that sounds, 0.7 ms at 48 kHz.
        """
        at = self._rendered + offset
        boundary = (at + SYNTH_BUFFER // 2) // SYNTH_BUFFER * SYNTH_BUFFER
        return min(max(boundary - self._rendered, 0), frames)

    def _interrupt_demo(self, frame: int) -> None:
        if self._demo is not None:
            self._apply_all(self._demo.interrupt(frame))

    def _apply_all(self, messages: list[bytes]) -> None:
        for message in messages:
            self._apply(message)

    def _apply(self, message: bytes) -> None:
        kind, channel = m.classify(message), m.channel(message)
        synth = self._synth
        if kind is MessageKind.NOTE_ON:
            if self._few_voices and self._library._fl.fluid_synth_get_active_voice_count(synth.synth) >= MANY:
                self._library._fl.fluid_synth_set_polyphony(synth.synth, VOICES)
                self._few_voices = False
            synth.noteon(channel, message[1], message[2])
        elif kind is MessageKind.NOTE_OFF:
            synth.noteoff(channel, message[1])
        elif kind in (MessageKind.CONTROL, MessageKind.MODE):
            synth.cc(channel, message[1], message[2])
        elif kind is MessageKind.PROGRAM:
            synth.program_change(channel, message[1])
        elif kind is MessageKind.CHANNEL_PRESSURE:
            # pyfluidsynth binds no function for it.
            self._library._fl.fluid_synth_channel_pressure(synth.synth, channel, message[1])
        elif kind is MessageKind.PITCH_BEND:
            synth.pitch_bend(channel, m.bend_value(message) - m.BEND_CENTRE)

"""Instrument kinds that other packages bring: what their author writes, and how it is clocked and watched.

A package names a subclass of `Instrument` in the entry-point group `GROUP`; docs/extending.md shows a whole one.
All code of the plug-in, its import included, runs on the source's own thread in its room's own process: what it
raises is caught there, and the process's main thread sees when it hangs.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rtcserver.capture import loading
from rtcserver.capture.block import StreamFormat
from rtcserver.capture.notes import PlayedNotes
from rtcserver.capture.option import Option, Value, check_options
from rtcserver.capture.priority import lower_priority, ordinary_priority
from rtcserver.capture.ring import BlockRing
from rtcserver.capture.source import ClockedSource
from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import ConfigError, InstrumentError

GROUP = "rtcserver.instruments"
"""The entry-point group; an entry point's name is the kind's key."""
CODE = "plugin"
"""`InstrumentError.code` of everything that a plug-in does wrong."""
LOAD_NS = 20 * NS
"""How long a plug-in may do nothing before its first block: neither compute, nor read, nor report what it loads."""
LOAD_CPU_S = 20.0
"""How long it may compute meanwhile without a report (`rtcserver.capture.loading.report`)."""
DEMOTE_NS = NS // 5
"""A plug-in whose call takes so long loses its real-time priority, so that it takes no processor from other rooms."""
TAIL_NS = 10 * NS
"""A plug-in that may rest does so when nothing has been played for so long: it may still sound until then."""
BEHIND_NS = NS // 2
"""A plug-in that has fallen so far behind the clock by its own calls is too slow."""
_NOT_THE_PLUGINS = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent))
"""Folders whose frames in a traceback lie between the server and the plug-in: this package and `importlib`."""


class Instrument:
    """What a plug-in's author subclasses. All methods are called on one thread, never two at a time.

    title: what people call the kind. options: what can be configured (`options` in the configuration).
    A kind with a `note_on` or a `midi` of its own can be played by performers.
    may_rest: `render` need not be called while nobody listens and nothing has been played for ten seconds; it goes on
    with a larger `first_frame`. By default an instrument runs on, for there is no knowing what it does besides.
    """

    title: ClassVar[str] = ""
    options: ClassVar[tuple[Option, ...]] = ()
    may_rest: ClassVar[bool] = False

    def __init__(self, rate: int, options: Mapping[str, Any]) -> None:
        """rate: frames a second. options: a value for each of `options`, in its type.

        It may take its time, if it says so: `rtcserver.capture.loading.report("loading samples", 0.4)`.
        """

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Say what is wrong with values that are each allowed: raise ValueError with a sentence for people.

        It is called before the server starts to serve, in a process of its own.
        """

    def render(self, frames: int, first_frame: int) -> npt.NDArray[Any]:
        """The next `frames` samples: ``(frames, 2)``, or ``(frames,)`` for both sides, full scale being ±1.

        frames: at most the configuration's `blocksize`; fewer where a note begins within a block.
        first_frame: number of the first one since the start. It jumps forward after a rest, and after the machine stood
        still.
        """
        raise NotImplementedError

    def midi(self, message: bytes) -> None:
        """One complete MIDI channel message, at the frame that `render` is asked for next."""
        status, channel = message[0] & 0xF0, message[0] & 0x0F
        if status == 0x90 and message[2]:
            self.note_on(message[1], message[2], channel)
        elif status in (0x80, 0x90):
            self.note_off(message[1], channel)

    def note_on(self, key: int, velocity: int, channel: int) -> None:
        """A key (60 is middle C) goes down with a velocity from 1 to 127, on a channel from 0 to 15."""

    def note_off(self, key: int, channel: int) -> None:
        """The key is let go of."""


def playable(cls: type[Instrument]) -> bool:
    """Whether performers can play it: it has a `note_on` or a `midi` of its own."""
    return cls.note_on is not Instrument.note_on or cls.midi is not Instrument.midi


def load(key: str) -> type[Instrument]:
    """Import an installed plug-in's class. Raises InstrumentError: not installed, fails at import, no Instrument."""
    from importlib.metadata import entry_points

    found = list(entry_points(group=GROUP, name=key))
    if not found:
        raise InstrumentError(f"{key}: no installed package brings this instrument", code=CODE)
    try:
        cls = found[0].load()
    except BaseException as error:
        # Whatever an import raises, SystemExit included, is the plug-in's fault and must not end the process.
        raise InstrumentError(f"{key}: the plug-in cannot be imported: {said(error)}", code=CODE) from error
    if not (isinstance(cls, type) and issubclass(cls, Instrument)):
        raise InstrumentError(
            f"{key}: the plug-in's entry point {found[0].value} is no subclass of "
            "rtcserver.capture.plugin.Instrument",
            code=CODE,
        )
    return cls


def options_of(key: str, cls: type[Instrument], given: Mapping[str, Any]) -> dict[str, Value]:
    """All options with their values. Raises ConfigError with the limits' message or the plug-in's own."""
    values = check_options(key, cls.options, given)
    try:
        cls.check(values)
    except ValueError as error:
        raise ConfigError(f"options: {key}: {error}") from error
    return values


def said(error: BaseException) -> str:
    """An exception in one line: its type, what it says, and the line of the plug-in's file that it came from."""
    text = " ".join(str(error).split())
    place = _place(error)
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def _place(error: BaseException) -> str:
    """Where the plug-in's file was left last, as " (organ.py, line 12)"; empty if none of its code ran."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*_NOT_THE_PLUGINS, "<"))
    ]
    if not frames:
        return ""
    line = next(frame.lineno for frame in reversed(frames) if frame.filename == frames[0].filename)
    return f" ({Path(frames[0].filename).name}, line {line})"


class PluginSource(ClockedSource):
    """One plug-in instrument, float32 stereo at `samplerate` (48 kHz by default)."""

    first_block_ns = LOAD_NS
    watched = True

    def __init__(self, config: InstrumentConfig) -> None:
        super().__init__(
            config.instrument, StreamFormat(config.samplerate or MEDIA_RATE, 2, config.blocksize)
        )
        self._config = config
        self._key = config.instrument
        self._instrument: Instrument | None = None
        self._notes = PlayedNotes()
        self._call_began_ns = 0
        """Monotonic ns at which the call that runs now began; 0 between calls."""
        self._demoted = False
        self._spent_ns = 0
        """By how much the calls have taken longer than the blocks that they made."""
        self._played_ns = 0
        """When something was played last."""

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.float32]:
        instrument = self._instrument
        assert instrument is not None
        block = np.empty((frames, 2), np.float32)
        done = 0
        self._call_began_ns = began = monotonic_ns()
        for offset, message in self._notes.take(first_frame, frames, self.start_ns, self.stream.rate):
            if offset > done:
                self._fill(instrument, block[done:offset], first_frame + done)
                done = offset
            instrument.midi(message)
        self._fill(instrument, block[done:], first_frame + done)
        self._call_began_ns = 0
        self._judge(monotonic_ns() - began, frames)
        return block

    def stalled(self) -> str:
        if self._instrument is None:
            return (
                f"{self._key}: the plug-in hangs: it has not started, and done nothing for {LOAD_NS // NS} s"
            )
        return f"{self._key}: the plug-in hangs: a call has not returned for {self.next_block_ns / NS:g} s"

    def watch(self, now_ns: int) -> None:
        """Take the real-time priority from a thread whose call takes too long."""
        began, thread = self._call_began_ns, self._thread
        if self._demoted or not began or now_ns - began < DEMOTE_NS:
            return
        self._demoted = True
        if thread is not None and thread.native_id is not None:
            lower_priority(thread.native_id)

    def settled(self, block: npt.NDArray[Any]) -> bool:
        """As its author says."""
        if self._instrument is None or not self._instrument.may_rest or self._notes.busy:
            return False
        return monotonic_ns() - self._played_ns > TAIL_NS

    def midi(self, message: bytes, at_ns: int = 0, performer: int = 0) -> None:
        self._notes.play(message, at_ns, performer)
        self._played()

    def release(self, performer: int) -> None:
        self._notes.release(performer)
        self._played()

    def silence(self) -> None:
        self._notes.silence()
        self._played()

    def _played(self) -> None:
        self._played_ns = monotonic_ns()
        self._wake.set()

    def _run(self, ring: BlockRing) -> None:
        try:
            what = f"loading {self._key}"
            with ordinary_priority(), loading.working(what, cpu_limit_s=LOAD_CPU_S):
                cls = load(self._key)
                self.name = cls.title or self._key
                options = options_of(self._key, cls, self._config.options)
                self._instrument = cls(self.stream.rate, options)
            super()._run(ring)
        except InstrumentError as error:
            self.fault = error
        except ConfigError as error:
            self.fault = InstrumentError(str(error), code=CODE)
        except BaseException as error:
            # A thread's edge: whatever a plug-in raises becomes the room's error.
            self.fault = InstrumentError(f"{self._key}: the plug-in failed: {said(error)}", code=CODE)

    def _fill(self, instrument: Instrument, out: npt.NDArray[np.float32], first_frame: int) -> None:
        if not len(out):
            return
        samples = np.asarray(instrument.render(len(out), first_frame))
        if samples.shape not in ((len(out),), (len(out), 2)):
            raise ValueError(f"render({len(out)}, {first_frame}) returned the shape {samples.shape}")
        out[:] = samples[:, None] if samples.ndim == 1 else samples
        if not np.isfinite(out).all():
            raise ValueError(f"render({len(out)}, {first_frame}) returned a sample that is not finite")

    def _judge(self, took_ns: int, frames: int) -> None:
        """Raises InstrumentError when the calls take longer than what they make lasts, for long."""
        block_ns = frames * NS // self.stream.rate
        # One call alone is no proof: the machine may have stood still meanwhile.
        over_ns = min(took_ns - block_ns, BEHIND_NS // 4)
        self._spent_ns = max(0, self._spent_ns + over_ns)
        if self._spent_ns > BEHIND_NS:
            raise InstrumentError(
                f"{self._key}: the plug-in is too slow: {took_ns / 1e6:.1f} ms for a block of "
                f"{block_ns / 1e6:.1f} ms",
                code=CODE,
            )

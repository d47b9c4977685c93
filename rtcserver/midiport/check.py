"""One quiet note on the real instrument, and whether it comes back as sound.

`judge` is pure: what was recorded in, a verdict out. The rest plays the note and records every channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import to_float
from rtcserver.capture.source import Source
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.mix import parse_mix
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import ConfigError, InstrumentError
from rtcserver.midi import message as m
from rtcserver.midi import performers
from rtcserver.midi.profile import Profile, guess, load
from rtcserver.midiport.control import PortConfig
from rtcserver.midiport.supervisor import MidiPort

BEFORE_NS = 700_000_000
"""Recorded before the note: what is there without it."""
LENGTH_NS = 400_000_000
AFTER_NS = 1_200_000_000
"""Recorded after the note began. What comes later than this has nothing to do with it."""
AHEAD_NS = 50_000_000
OPEN_NS = 5 * NS
"""How long a port may take to open."""
SILENT_DBFS = -110.0
"""Below the noise of any converter: nothing is connected to this channel."""
LOUD_DBFS = -45.0
"""So much before the note means that somebody plays."""
RISE_DB = 12.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was recorded.

    samples: ``(frames, channels)`` float32 at `rate` Hz, in blocks of `blocksize`. The first block was in our
    hands at monotonic `first_ns`, and the note left at `note_ns`. chosen: the columns that the room's sound is
    made of.
    """

    samples: npt.NDArray[np.float32]
    rate: int
    first_ns: int
    note_ns: int
    chosen: tuple[int, ...]
    blocksize: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` says.

    code: ``ok``, ``no-midi-out``, ``no-capture``, ``silence``, ``no-sound``, ``other-channels``, ``half``,
    ``noisy``. onset_ms: from the note's leaving to the block with its first sound. before_dbfs,
    note_dbfs: RMS of each channel relative to a full-scale sine.
    """

    code: str
    message: str
    onset_ms: float | None = None
    before_dbfs: tuple[float, ...] = ()
    note_dbfs: tuple[float, ...] = ()

    @property
    def ok(self) -> bool:
        return self.code == "ok"

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "code": self.code,
            "message": self.message,
            "onset_ms": self.onset_ms,
            "before_dbfs": list(self.before_dbfs),
            "note_dbfs": list(self.note_dbfs),
        }


def judge(evidence: Evidence) -> Verdict:
    """What the recording of one note shows."""
    rate, samples = evidence.rate, evidence.samples
    begin = (evidence.note_ns - evidence.first_ns) * rate // NS
    before = samples[max(0, begin - BEFORE_NS * rate // NS) : max(0, begin)]
    note = samples[max(0, begin) : max(0, begin) + AFTER_NS * rate // NS]
    if len(before) < rate // 10 or len(note) < rate // 10:
        return Verdict("no-capture", "The device delivered too little sound to judge by.")
    floor, level = _dbfs(before), _dbfs(note)
    heard = [c for c in range(samples.shape[1]) if level[c] > max(floor[c], SILENT_DBFS) + RISE_DB]
    chosen = [c for c in evidence.chosen if c in heard]
    facts: dict[str, Any] = {"before_dbfs": _rounded(floor), "note_dbfs": _rounded(level)}
    if max(floor[c] for c in evidence.chosen) > LOUD_DBFS and not chosen:
        return Verdict(
            "noisy",
            f"There is sound on {_named(evidence.chosen)} already ({max(floor):.0f} dBFS), so a quiet note "
            "cannot be told from it. Stop playing, and check again.",
            **facts,
        )
    if not chosen and heard:
        return Verdict(
            "other-channels",
            f"The note was heard on {_named(heard)}, but not on {_named(evidence.chosen)}. Capture it with: "
            f"--channels {','.join(str(c + 1) for c in (heard * 2)[:2])}",
            **facts,
        )
    if not chosen and max(*level, *floor) < SILENT_DBFS:
        return Verdict(
            "silence",
            "The note was sent, and every channel stayed silent, without even noise. Is this the right MIDI "
            "port, does the instrument receive on it, and does its sound go to USB?",
            **facts,
        )
    if not chosen:
        return Verdict(
            "no-sound",
            f"The note was sent, but no sound of it came on {_named(evidence.chosen)} or any other channel. Is "
            "this the right MIDI port, does the instrument receive on this channel, and is its volume up?",
            **facts,
        )
    onset = max(0, begin) + min(_onset(before[:, c], note[:, c]) for c in chosen)
    block_ns = evidence.first_ns + onset // evidence.blocksize * evidence.blocksize * NS // rate
    onset_ms = round((block_ns - evidence.note_ns) / 1e6, 1)
    if len(chosen) < len(evidence.chosen):
        missing = [c for c in evidence.chosen if c not in chosen]
        return Verdict(
            "half",
            f"The note was heard after {onset_ms} ms on {_named(chosen)}, but not on {_named(missing)}.",
            onset_ms,
            **facts,
        )
    return Verdict("ok", f"The note was heard {onset_ms} ms after it left.", onset_ms, **facts)


def _onset(before: npt.NDArray[np.float32], note: npt.NDArray[np.float32]) -> int:
    """Sample of `note` at which it leaves what was there before, or a hundredth of its own peak."""
    threshold = max(2 * float(np.abs(before).max()), float(np.abs(note).max()) / 100)
    return int(np.argmax(np.abs(note) > threshold))


def _dbfs(samples: npt.NDArray[np.float32]) -> list[float]:
    # The loudest tenth: a short note does not drown in the silence behind it. A constant is no sound.
    size = max(1, len(samples) // 10)
    parts = samples[: size * (len(samples) // size)].reshape(-1, size, samples.shape[1]).astype(np.float64)
    power = (parts - parts.mean(axis=1, keepdims=True)) ** 2
    return [float(10 * np.log10(2 * value + 1e-15)) for value in power.mean(axis=1).max(axis=0)]


def _rounded(levels: list[float]) -> tuple[float, ...]:
    return tuple(round(level, 1) for level in levels)


def _named(columns: tuple[int, ...] | list[int]) -> str:
    numbers = [str(column + 1) for column in sorted(set(columns))]
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    return f"channels {', '.join(numbers[:-1])} and {numbers[-1]}"


def to_text(room: str, verdict: Verdict, profile: Profile) -> str:
    """A room's verdict for a person: the sentence, each channel's levels, and what to look at if it failed."""
    lines = [f"{room}: {verdict.message}"]
    lines += [
        f"  channel {number:2d}: {before:6.1f} dBFS before the note, {note:6.1f} during it"
        for number, (before, note) in enumerate(zip(verdict.before_dbfs, verdict.note_dbfs, strict=True), 1)
    ]
    if not verdict.ok:
        lines += [f"  - {item.title}. {item.text}" for item in profile.checklist]
    return "\n".join(lines)


def profile_of(config: InstrumentConfig) -> Profile:
    """The profile that a room's configuration names or means. Raises ConfigError."""
    if config.midi_profile != "auto":
        return load(config.midi_profile)
    return load("gm" if config.instrument == "fluidsynth" else guess(config.device, config.midi_output))


async def check(config: InstrumentConfig, profile: Profile, key: int = 60, velocity: int = 40) -> Verdict:
    """Play one note and judge what comes back. Raises ConfigError for an instrument that cannot be played."""
    if config.instrument not in ("portaudio", "fluidsynth"):
        raise ConfigError(
            f"instrument: {config.instrument} cannot be played; check needs portaudio or fluidsynth"
        )
    on, off = m.note_on(profile.play_channel, key, velocity), m.note_off(profile.play_channel, key)
    if config.instrument == "fluidsynth":
        from rtcserver.capture.fluid import FluidSynthSource

        synth = FluidSynthSource(replace(config, demo=False))

        def embedded(at_ns: int) -> None:
            synth.midi(on, at_ns, performers.FIRST)
            synth.midi(off, at_ns + LENGTH_NS, performers.FIRST)

        return await _judged(config, synth, embedded)
    from rtcserver.capture.portaudio import PortAudioSource

    port = MidiPort(
        "check",
        PortConfig.of(
            profile, output=config.midi_output, input=config.midi_input, api=config.midi_api, listen=False
        ),
    )
    await port.start()
    try:
        deadline = monotonic_ns() + OPEN_NS
        while port.status.state != "live" and monotonic_ns() < deadline:
            # What is wrong for good is known at once; a name may still appear.
            if port.status.code in ("ambiguous", "dependency", "system", "config"):
                break
            await asyncio.sleep(0.05)
        if port.status.state != "live":
            return Verdict("no-midi-out", port.status.error or "The MIDI process did not start.")

        def outside(at_ns: int) -> None:
            port.play([(performers.FIRST, on, at_ns), (performers.FIRST, off, at_ns + LENGTH_NS)])

        return await _judged(config, PortAudioSource(config), outside)
    finally:
        await port.close()


async def _judged(config: InstrumentConfig, source: Source, play: Callable[[int], None]) -> Verdict:
    """Record `source` while ``play(at_ns)`` plays the note."""
    try:
        stream, ring = source.open()
    except InstrumentError as error:
        return Verdict("no-capture", str(error))
    try:
        begin = monotonic_ns()
        note_ns = begin + BEFORE_NS + AHEAD_NS
        played = False
        parts: list[npt.NDArray[np.float32]] = []
        starts: list[int] = []
        frames = 0
        while (now := monotonic_ns()) < note_ns + AFTER_NS + AHEAD_NS:
            if not played and now >= note_ns - 2 * AHEAD_NS:
                note_ns = max(note_ns, now + AHEAD_NS)
                play(note_ns)
                played = True
            ring.clear_wakeup()
            while (item := ring.read()) is not None:
                block, _, lost = item
                if lost:
                    # Silence keeps the rest where it belongs.
                    parts.append(np.zeros((lost * stream.blocksize, stream.channels), np.float32))
                    frames += lost * stream.blocksize
                parts.append(to_float(block.data, stream, block.frames).copy())
                starts.append(block.arrived_ns - frames * NS // stream.rate)
                frames += block.frames
            await asyncio.sleep(0.02)
    finally:
        source.close()
    if not parts:
        return Verdict("no-capture", f"{source.name} was opened, but delivers no sound.")
    chosen = tuple(sorted({channel - 1 for channel, _, _ in parse_mix(config.channels, config.mix)}))
    # The median of what each block says about the first one evens out the callbacks' jitter.
    first_ns = sorted(starts)[len(starts) // 2]
    return judge(Evidence(np.concatenate(parts), stream.rate, first_ns, note_ns, chosen, stream.blocksize))

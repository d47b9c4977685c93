"""One quiet note on the real instrument, and whether it comes back as sound.

Plays the note, records every channel of the device, and asks `rtcserver.midiport.verdict` what that shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import to_float
from rtcserver.capture.kinds import kind_of, known, make_source
from rtcserver.capture.source import Source
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.mix import parse_mix
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import ConfigError, InstrumentError
from rtcserver.midi import message as m
from rtcserver.midi import performers
from rtcserver.midi.profile import Profile
from rtcserver.midiport.control import PortConfig
from rtcserver.midiport.supervisor import MidiPort
from rtcserver.midiport.verdict import AFTER_NS, BEFORE_NS, Evidence, Verdict, judge

LENGTH_NS = 400_000_000
AHEAD_NS = 50_000_000
OPEN_NS = 5 * NS
"""How long a port may take to open."""


async def check(config: InstrumentConfig, profile: Profile, key: int = 60, velocity: int = 40) -> Verdict:
    """Play one note and judge what comes back. Raises ConfigError for an instrument that cannot be played."""
    kind = kind_of(config)
    if kind.played_by == "nobody":
        playable = ", ".join(kind.key for kind in known().values() if kind.played_by != "nobody")
        raise ConfigError(f"instrument: {config.instrument} cannot be played; what can be is {playable}")
    on, off = m.note_on(profile.play_channel, key, velocity), m.note_off(profile.play_channel, key)
    if kind.played_by == "process":
        synth = make_source(replace(config, demo=False))

        def embedded(at_ns: int) -> None:
            synth.midi(on, at_ns, performers.FIRST)
            synth.midi(off, at_ns + LENGTH_NS, performers.FIRST)

        return await _judged(config, synth, embedded)
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

        return await _judged(config, make_source(config), outside)
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
    items = parse_mix(config.channels, config.mix, stream.channels)
    chosen = tuple(sorted({channel - 1 for channel, _, _ in items}))
    # The median of what each block says about the first one evens out the callbacks' jitter.
    first_ns = sorted(starts)[len(starts) // 2]
    return judge(Evidence(np.concatenate(parts), stream.rate, first_ns, note_ns, chosen, stream.blocksize))

"""The embedded instrument as a port: events at their frame, and owners' notes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture.fluid import SYNTH_BUFFER, FluidSynthSource
from rtcserver.clock import NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.midi import message as m

RATE = 44_100
ANNA, BEN = 3, 4
LOUD = 500
"""int16; FluidSynth dithers by one."""


@pytest.fixture
def synth() -> Iterator[FluidSynthSource]:
    """Without the demo. A wood block on channel 0: it begins at once."""
    source = FluidSynthSource(InstrumentConfig(demo=False, samplerate=RATE))
    source.midi(m.program(0, 115))
    yield source
    source.close()


def render(source: FluidSynthSource, frames: int, first: int = 0, block: int = 128) -> npt.NDArray[np.int16]:
    return np.concatenate([source.render(block, at) for at in range(first, first + frames, block)])


def onset(samples: npt.NDArray[np.int16]) -> int:
    """Frame of the first loud sample."""
    return int(np.argmax(np.abs(samples.astype(np.int32)).max(axis=1) > LOUD))


@pytest.mark.parametrize("block", [128, 100, 480])
def test_scheduled_notes_sound_within_half_a_buffer_of_their_frame(block: int) -> None:
    asked = [3_000 + 37 * number for number in range(40)]
    found = []
    source = FluidSynthSource(InstrumentConfig(demo=False, samplerate=RATE))
    try:
        source.midi(m.program(0, 115))
        for number, frame in enumerate(asked):
            at = number * 9_600 + frame
            source.midi(m.note_on(0, 76, 127), at * NS // RATE + 1, ANNA)
            source.midi(m.note_off(0, 76), (at + 500) * NS // RATE, ANNA)
            samples = render(source, 9_600, number * 9_600, block)
            found.append(onset(samples))
    finally:
        source.close()
    error = np.array(found) - np.array(asked)
    # The sample itself takes a moment to get loud: always the same one.
    attack = int(np.median(error))
    assert 0 <= attack < 200
    assert np.ptp(error) <= SYNTH_BUFFER
    assert np.abs(error - attack).max() <= SYNTH_BUFFER // 2 + 1


def test_what_is_late_or_immediate_sounds_with_the_next_block(synth: FluidSynthSource) -> None:
    render(synth, 1_280)
    synth.midi(m.note_on(0, 76, 127), 5 * NS // RATE, ANNA)
    late = onset(render(synth, 9_600, 1_280))
    render(synth, 44_160, 10_880)
    synth.midi(m.note_on(0, 76, 127), 0, ANNA)
    immediate = onset(render(synth, 9_600, 55_040))
    assert late == pytest.approx(immediate, abs=2)
    assert immediate < 200


def strength(samples: npt.NDArray[np.int16], key: int) -> float:
    """Level of the fundamental of `key`, in dB."""
    mono = samples.astype(np.float64).mean(axis=1) * np.hanning(len(samples))
    hz = 440 * 2 ** ((key - 69) / 12)
    spectrum = np.abs(np.fft.rfft(mono))
    centre = round(hz * len(mono) / RATE)
    return float(20 * np.log10(spectrum[centre - 2 : centre + 3].max() + 1e-9))


def test_a_release_lets_go_of_ones_own_notes_and_drops_what_is_scheduled(synth: FluidSynthSource) -> None:
    """An organ; no harmonic of one key falls on another's."""
    for number in (0, 1):
        synth.midi(m.program(number, 19))
    synth.midi(m.note_on(0, 60, 100), 0, ANNA)
    synth.midi(m.note_on(0, 60, 100), 0, BEN)
    synth.midi(m.note_on(1, 66, 100), 0, ANNA)
    synth.midi(m.note_on(0, 70, 100), 60_000 * NS // RATE, ANNA)
    both = render(synth, 44_160)
    synth.release(ANNA)
    render(synth, 88_320, 44_160)
    alone = render(synth, 44_160, 132_480)
    assert strength(alone, 60) > strength(both, 60) - 6, "Ben holds it"
    assert strength(alone, 66) < strength(both, 66) - 30
    assert strength(alone, 70) < strength(both, 66) - 30, "it was dropped with those of the one who left"
    synth.silence()
    render(synth, 88_320, 176_640)
    assert strength(render(synth, 44_160, 264_960), 60) < strength(both, 60) - 40


def test_the_demo_gives_way_when_a_scheduled_note_begins() -> None:
    source = FluidSynthSource(InstrumentConfig(demo=True, samplerate=RATE))
    try:
        source.midi(m.note_on(5, 60, 1), RATE * NS // RATE, ANNA)
        assert np.abs(render(source, RATE // 2 // 128 * 128).astype(np.int32)).max() > LOUD
        render(source, 5 * RATE // 128 * 128, RATE // 2 // 128 * 128)
        quiet = render(source, RATE // 2 // 128 * 128, 6 * RATE // 128 * 128)
        assert np.abs(quiet.astype(np.int32)).max() < LOUD
    finally:
        source.close()

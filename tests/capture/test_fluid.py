"""The embedded synthesizer plays what it is told, and its demo while nobody plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture import fluid
from rtcserver.capture.fluid import MAX_PENDING, FluidSynthSource, find_soundfont
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError

RATE = 48_000


@pytest.fixture
def synth() -> Iterator[FluidSynthSource]:
    """Without the demo."""
    source = FluidSynthSource(InstrumentConfig(demo=False))
    yield source
    source.close()


def play(source: FluidSynthSource, seconds: float, first: int = 0) -> npt.NDArray[np.float64]:
    parts = [source.render(128, at) for at in range(first, first + round(seconds * RATE), 128)]
    return np.concatenate(parts).astype(np.float64) / 2**15


def level(samples: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def test_a_note_sounds_at_its_pitch_until_it_ends(synth: FluidSynthSource) -> None:
    assert not play(synth, 0.2).any(), "silence is silent"
    synth.midi(bytes((0x90, 69, 100)))
    sound = play(synth, 1.0)
    spectrum = np.abs(np.fft.rfft(sound.mean(axis=1) * np.hanning(len(sound))))
    assert spectrum.argmax() * RATE / len(sound) == pytest.approx(440, abs=2)
    synth.midi(bytes((0x80, 69, 64)))
    play(synth, 2.0)
    assert level(play(synth, 0.2)) < level(sound) / 300


def dbfs(samples: npt.NDArray[np.float64]) -> float:
    return float(20 * np.log10(np.abs(samples).max()))


FULL_CHORD = (48, 52, 55, 60, 64, 67)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_full_chord_peaks_six_decibels_below_full_scale(rate: int) -> None:
    source = FluidSynthSource(InstrumentConfig(demo=False, samplerate=rate))
    try:
        for key in FULL_CHORD:
            source.midi(bytes((0x90, key, 127)))
        assert dbfs(play(source, 1.0)) == pytest.approx(-6, abs=0.5)
    finally:
        source.close()


def test_the_gain_is_a_factor_on_that(synth: FluidSynthSource) -> None:
    soft = FluidSynthSource(InstrumentConfig(demo=False, gain=0.25))
    try:
        for source in (synth, soft):
            source.midi(bytes((0x90, 60, 100)))
        loud, quiet = play(synth, 0.5), play(soft, 0.5)
        assert dbfs(loud) - dbfs(quiet) == pytest.approx(20 * np.log10(4), abs=0.1)
        assert -20 < dbfs(loud) < -10, "a single note is as loud as one in other music"
    finally:
        soft.close()


def test_whatever_is_played_nothing_clips(synth: FluidSynthSource) -> None:
    """Every program, ten notes at velocity 127: what is too loud is turned down, not cut off."""
    loudest = 0.0
    for program in range(0, 128, 4):
        synth.midi(bytes((0xC0, program)))
        for key in (36, 43, 48, 52, 55, 60, 64, 67, 72, 76):
            synth.midi(bytes((0x90, key, 127)))
        sound = play(synth, 0.3)
        loudest = max(loudest, np.abs(sound).max())
        assert np.abs(sound).max() < 0.9
        synth.midi(bytes((0xB0, 120, 0)))
        play(synth, 0.1)
    assert loudest > 0.85, "the limiter had something to do"


def test_channel_pressure_reaches_the_synthesizer(synth: FluidSynthSource) -> None:
    synth.midi(bytes((0xD0, 127)))
    synth.midi(bytes((0x90, 60, 100)))
    assert level(play(synth, 0.2)) > 0.001


def test_a_note_on_of_velocity_zero_is_a_note_off(synth: FluidSynthSource) -> None:
    synth.midi(bytes((0x90, 69, 100)))
    loud = level(play(synth, 0.5))
    synth.midi(bytes((0x90, 69, 0)))
    play(synth, 2.0)
    assert level(play(synth, 0.2)) < loud / 300


def test_controllers_bend_and_programs_reach_the_synthesizer(synth: FluidSynthSource) -> None:
    def pitch(*before: bytes) -> tuple[float, float]:
        for message in (*before, bytes((0x90, 69, 100))):
            synth.midi(message)
        sound = play(synth, 0.5)
        synth.midi(bytes((0x80, 69, 64)))
        play(synth, 1.5)
        mono = sound.mean(axis=1)
        spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), 8 * len(mono)))
        return float(spectrum.argmax() * RATE / (8 * len(mono))), level(mono)

    plain, loud = pitch(bytes((0xC0, 19)))  # an organ, of steady pitch
    bent, _ = pitch(bytes((0xE0, 0x7F, 0x7F)))
    assert 12 * np.log2(bent / plain) == pytest.approx(2, abs=0.1)
    _, soft = pitch(bytes((0xE0, 0, 0x40)), bytes((0xB0, 7, 10)))
    assert soft < loud / 20


def test_the_demo_plays_at_once_and_gives_way_to_a_player() -> None:
    source = FluidSynthSource(InstrumentConfig())
    try:
        assert level(play(source, 1.0)) > 0.003
        source.midi(bytes((0xB0, 7, 100)))
        play(source, 4.0, RATE)
        assert level(play(source, 0.5, 5 * RATE)) < 0.0005, "the demo waits"
    finally:
        source.close()


def test_it_rests_when_all_has_died_away_and_begins_the_demo_with_a_listener() -> None:
    source = FluidSynthSource(InstrumentConfig())
    try:
        assert play(source, 1.0).any()
        source.rest(allowed=True)
        first, block = RATE, source.render(128, RATE)
        assert not source.settled(block), "the piece still dies away"
        while not source.settled(block):
            first += 128
            assert first < 20 * RATE
            block = source.render(128, first)
        source.midi(bytes((0x90, 69, 100)))
        assert not source.settled(block), "somebody plays"
        assert not source.settled(source.render(128, first + 128)), "what was played sounds"
        source.silence()
        play(source, 10.0, first + 256)
        source.rest(allowed=False)
        assert play(source, 0.02, 3600 * RATE).any(), "the piece is heard at once"
    finally:
        source.close()


def test_a_flood_of_messages_drops_the_oldest_and_counts_them(synth: FluidSynthSource) -> None:
    for number in range(MAX_PENDING + 10):
        synth.midi(bytes((0xB0, 7, number % 128)))
    assert synth.dropped_messages == 10
    play(synth, 0.01)
    synth.midi(bytes((0xB0, 7, 100)))
    assert synth.dropped_messages == 10


def test_wrong_files_and_rates_are_refused_in_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sf2"
    broken.write_bytes(b"RIFF no soundfont")
    for settings, code, said in (
        ({"soundfont": str(tmp_path / "none.sf2")}, "missing", "none.sf2"),
        ({"soundfont": str(broken)}, "format", "broken.sf2"),
        ({"samplerate": 192_000}, "rate", "44100 to 96000"),
    ):
        with pytest.raises(InstrumentError, match=said) as caught:
            FluidSynthSource(InstrumentConfig(**settings))  # type: ignore[arg-type]  # keys of mixed types
        assert caught.value.code == code


def test_a_soundfont_is_found_where_the_distribution_puts_it() -> None:
    assert find_soundfont("").suffix == ".sf2"


def test_a_soundfont_that_fluidsynth_refuses_is_tried_again_when_it_has_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.sf2"
    said = []
    for written in (bytes(1000), b"", bytes(1001)):
        if written:
            path.write_bytes(b"RIFF\xec\3\0\0sfbk" + written)
        with pytest.raises(InstrumentError, match=r"broken\.sf2 is no SoundFont that can be read"):
            FluidSynthSource(InstrumentConfig(soundfont=str(path)))
        said.append(bool(capfd.readouterr().err))
    assert said == [True, False, True]


def test_voices_that_are_made_when_they_are_needed_sound_as_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch, synth: FluidSynthSource
) -> None:
    monkeypatch.setattr(fluid, "FEW_VOICES", fluid.VOICES)
    sounds, counts = [], []
    for source in (synth, FluidSynthSource(InstrumentConfig(demo=False))):
        parts = []
        for channel in range(16):
            for key in range(30, 50):
                source.midi(bytes((0x90 | channel, key, 100)))
            parts.append(play(source, 0.01, 480 * channel))
        counts.append(source._library._fl.fluid_synth_get_active_voice_count(source._synth.synth))
        sounds.append(np.concatenate(parts))
    source.close()
    assert counts[0] > fluid.VOICES * 0.9, "as many as ever"
    np.testing.assert_array_equal(sounds[0], sounds[1])

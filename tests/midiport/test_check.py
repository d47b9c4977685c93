"""What ``check`` says about every kind of recording, and about a real note on the rig."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.clock import NS
from rtcserver.commands.table import main
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import ConfigError
from rtcserver.midi import profile_file
from rtcserver.midiport import check
from rtcserver.midiport.verdict import Evidence, judge
from tests.rig.jack import FluidSynthOnJack, JackServer

RATE = 44_100
NOTE = RATE
"""Frame at which the note leaves in the recordings made here."""


def noise(channels: int, dbfs: float | list[float], seconds: float = 2.5) -> npt.NDArray[np.float32]:
    levels = np.power(10, np.array(dbfs if isinstance(dbfs, list) else [dbfs] * channels) / 20) / np.sqrt(2)
    random = np.random.default_rng(5).standard_normal((round(seconds * RATE), channels))
    return (random * levels).astype(np.float32)


def with_note(
    samples: npt.NDArray[np.float32], columns: list[int], after_ms: float, dbfs: float = -40
) -> npt.NDArray[np.float32]:
    start = NOTE + round(after_ms * RATE / 1000)
    time = np.arange(RATE // 2) / RATE
    tone = 10 ** (dbfs / 20) * np.sin(2 * np.pi * 261.6 * time) * np.exp(-3 * time)
    for column in columns:
        samples[start : start + len(tone), column] += tone.astype(np.float32)
    return samples


def evidence(samples: npt.NDArray[np.float32], chosen: tuple[int, ...] = (0, 1)) -> Evidence:
    return Evidence(samples, RATE, 7 * NS, 7 * NS + NOTE * NS // RATE, chosen)


@pytest.mark.unhurried("arithmetic on sound that is made here")
@pytest.mark.parametrize("after_ms", [1.5, 6.0, 40.0, 300.0])
@pytest.mark.parametrize("floor", [-300.0, -96.0, -75.0])
def test_a_note_on_the_chosen_pair_has_its_onset_delay(after_ms: float, floor: float) -> None:
    verdict = judge(evidence(with_note(noise(8, floor), [0, 1], after_ms)))
    assert verdict.code == "ok"
    # A sine of 262 Hz needs a moment to rise above its own hundredth, or the noise.
    assert verdict.onset_ms == pytest.approx(after_ms, abs=0.6)
    assert str(verdict.onset_ms) in verdict.message
    assert len(verdict.note_dbfs) == 8


@pytest.mark.unhurried("arithmetic on sound that is made here")
def test_sound_on_other_channels_is_named() -> None:
    verdict = judge(evidence(with_note(noise(8, -90), [2, 3], 5)))
    assert verdict.code == "other-channels"
    assert "channels 3 and 4" in verdict.message
    assert "channels 1 and 2" in verdict.message
    assert "--channels 3,4" in verdict.message
    mono = judge(evidence(with_note(noise(8, -90), [6], 5)))
    assert "--channels 7,7" in mono.message


@pytest.mark.unhurried("arithmetic on sound that is made here")
def test_half_a_pair_is_said() -> None:
    verdict = judge(evidence(with_note(noise(2, -90), [0], 5)))
    assert (verdict.code, verdict.ok) == ("half", False)
    assert "not on channel 2" in verdict.message


@pytest.mark.unhurried("arithmetic on sound that is made here")
def test_silence_and_mere_noise_are_told_apart() -> None:
    assert judge(evidence(np.zeros((3 * RATE, 8), np.float32))).code == "silence"
    assert judge(evidence(noise(8, -90))).code == "no-sound"
    # A constant is no sound.
    assert judge(evidence(np.full((3 * RATE, 2), 0.3, np.float32))).code == "silence"


@pytest.mark.unhurried("arithmetic on sound that is made here")
def test_a_note_in_the_noise_of_other_channels_is_still_found() -> None:
    samples = with_note(noise(4, [-90, -90, -20, -20]), [0, 1], 5)
    assert judge(evidence(samples)).code == "ok"


def test_somebody_playing_already_is_no_verdict_about_the_note() -> None:
    verdict = judge(evidence(noise(2, -20)))
    assert verdict.code == "noisy"
    assert "Stop playing" in verdict.message


def test_too_little_sound_is_said() -> None:
    assert judge(evidence(noise(2, -90, 1.01))).code == "no-capture"


async def test_the_embedded_instrument_is_heard_at_once() -> None:
    verdict = await check.check(InstrumentConfig(), profile_file.load("gm"))
    assert verdict.code == "ok", verdict
    assert verdict.onset_ms is not None
    assert 0 <= verdict.onset_ms < 30


async def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(ConfigError, match="instrument: tone"):
        await check.check(InstrumentConfig(instrument="tone"), profile_file.load("gm"))


def run(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, object]]:
    instrument = ("--instrument", "portaudio", "--device", "MONTAGE", "--midi-api", "jack")
    code = main(["check", *instrument, *flags, "--json"], {})
    printed: dict[str, object] = json.loads(capsys.readouterr().out)
    return code, printed


def test_a_real_note_is_heard_on_the_virtual_montage(capsys: pytest.CaptureFixture[str]) -> None:
    with JackServer() as server, FluidSynthOnJack(server) as montage, server.portaudio():
        code, verdict = run(capsys)
        assert (code, verdict["code"]) == (0, "ok")
        assert isinstance(verdict["onset_ms"], float)
        # Two periods of 2.9 ms, FluidSynth's buffer, and the sample's own beginning.
        assert 0 < verdict["onset_ms"] < 60
        for line in ("reset", "cc 0 7 0"):
            montage.command(line)
        code, verdict = run(capsys, "--key", "64")
        assert (code, verdict["code"]) == (1, "silence")
        code, verdict = run(capsys, "--midi-output", "Nord")
        assert (code, verdict["code"]) == (1, "no-midi-out")
        assert "Nord" in str(verdict["message"])
        code, verdict = run(capsys, "--channels", "1,9")
        assert (code, verdict["code"]) == (1, "no-capture")
        assert "channel 9" in str(verdict["message"])

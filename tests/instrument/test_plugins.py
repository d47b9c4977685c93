"""Plug-in instruments in their processes: played, asked what they are, and harmless when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture import kinds
from rtcserver.clock import monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.pcm import unpack
from rtcserver.errors import ConfigError
from rtcserver.instrument import plugins
from rtcserver.instrument.supervisor import InstrumentSupervisor
from tests.capture.plugins import PLUCK, SOURCES, install
from tests.rig.process import REPOSITORY

pytestmark = pytest.mark.unhurried("asserts samples and what is said of a plug-in")

RATE = 48_000


async def until(done: Callable[[], bool], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not done():  # noqa: ASYNC110  # the status has no event
            await asyncio.sleep(0.02)


async def recorded(instrument: InstrumentSupervisor, frames: int) -> tuple[int, npt.NDArray[np.float64]]:
    """The next frames as ``(n, 2)``, full scale ±1, and the device frame number of the first; nothing missing."""
    parts: list[npt.NDArray[np.int32]] = []
    first = expected = -1
    async with asyncio.timeout(20):
        with instrument.subscribe(blocks=True) as sound:
            async for packet in sound:
                block = unpack(packet.payload)
                first = block.first_frame if first < 0 else first
                assert expected in (-1, block.first_frame)
                expected = block.first_frame + block.frames
                parts.append(block.to_int())
                if expected - first >= frames:
                    break
    return first, np.concatenate(parts) / 2**23


async def test_a_plugin_with_its_options_is_heard_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, sine=SOURCES["sine"])
    config = InstrumentConfig(instrument="sine", options={"hz": 750.0}, blocksize=512)
    assert plugins.prepare({"main": config}) == []
    instrument = InstrumentSupervisor("main", config)
    await instrument.start()
    try:
        first, sound = await recorded(instrument, RATE)
        assert instrument.status.device == "Made for a test"
        assert (instrument.status.rate, instrument.status.blocksize) == (RATE, 512)
    finally:
        await instrument.close()
    frames = np.arange(first, first + len(sound))
    expected = 0.25 * np.sin(2 * np.pi * np.mod(frames * (750.0 / RATE), 1.0))
    # Half a step of 24 bits, and what float32 rounds.
    assert np.abs(sound - expected[:, None]).max() < 2**-24 + 0.25 * 2**-24


@pytest.mark.realtime
async def test_the_example_sounds_at_the_frame_and_the_pitch_that_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, pluck=PLUCK)
    config = InstrumentConfig(instrument="pluck", blocksize=512)
    assert plugins.prepare({"main": config}) == []
    assert kinds.kind_of(config).played_by == "process"
    instrument = InstrumentSupervisor("main", config)
    await instrument.start()
    try:
        await until(lambda: instrument.status.state == "live")
        recording = asyncio.create_task(recorded(instrument, RATE))
        await asyncio.sleep(0.1)
        anchor = instrument.anchor
        base = instrument.status.base
        at_ns = monotonic_ns() + 150_000_000
        instrument.midi_play([(5, bytes((0x90, 69, 100)), at_ns)])
        first, sound = await recording
    finally:
        await instrument.close()
    heard = np.abs(sound).max(axis=1) > 1e-6
    onset = first + int(heard.argmax())
    wanted = anchor.media_at(at_ns) - base
    assert abs(onset - wanted) <= 3, "to the sample, but for the rounding of the two clocks"
    spectrum = np.abs(np.fft.rfft(sound[heard.argmax() + 2400 :, 0]))
    hz = spectrum[:2000].argmax() * RATE / len(sound[heard.argmax() + 2400 :])
    assert abs(hz - 440) < 4


async def test_the_kind_that_the_documentation_shows_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / "docs" / "extending.md").read_text()
    source = text.split("```python\n")[1].split("```")[0]
    assert "class Organ(Instrument)" in source
    install(tmp_path, monkeypatch, organ=source.replace("class Organ", "class Kind"))
    config = InstrumentConfig(instrument="organ", options={"gain_db": -24.0}, blocksize=256)
    assert plugins.prepare({"main": config}) == []
    assert kinds.kind_of(config).title == "Small organ"
    instrument = InstrumentSupervisor("main", config)
    await instrument.start()
    try:
        await until(lambda: instrument.status.state == "live")
        instrument.midi_play([(5, bytes((0x90, 69, 100)), None)])
        await asyncio.sleep(0.2)
        _, sound = await recorded(instrument, RATE)
    finally:
        await instrument.close()
    spectrum = np.abs(np.fft.rfft(sound[:RATE, 0])) / (RATE / 2)
    assert spectrum.argmax() == 440
    assert 20 * np.log10(spectrum.max()) == pytest.approx(-24, abs=0.01)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("raises", "raises: the plug-in failed: RuntimeError: the string broke (made_raises.py, line 12)"),
        ("raises_at_once", "raises_at_once: the plug-in failed: LookupError: no strings left (made_raises_at_once.py, line"),
        ("slow", "slow: the plug-in is too slow: "),
        ("wrong_shape", r"wrong_shape: the plug-in failed: ValueError: render(128, 0) returned the shape (128, 3)"),
        ("not_finite", "returned a sample that is not finite"),
        ("no_import", "ModuleNotFoundError: No module named 'a_module_that_is_missing'"),
        ("exits", "exits: the plug-in cannot be imported: SystemExit: 7"),
    ],
)  # fmt: skip
async def test_what_a_plugin_does_wrong_is_named_and_its_process_goes_on(
    key: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, **{key: SOURCES[key]})
    instrument = InstrumentSupervisor("main", InstrumentConfig(instrument=key))
    await instrument.start()
    try:
        await until(lambda: instrument.status.code == "plugin")
        assert words in (instrument.status.error or "")
        assert instrument.status.state == "silent"
        assert instrument.restarts == 0
    finally:
        await instrument.close()


@pytest.mark.realtime
@pytest.mark.parametrize("key", ["hangs", "spins"])
async def test_a_plugin_that_hangs_is_named_and_harms_no_other_room(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, **{key: SOURCES[key], "sine": SOURCES["sine"]})
    bad = InstrumentSupervisor("bad", InstrumentConfig(instrument=key))
    good = InstrumentSupervisor("good", InstrumentConfig(instrument="sine"))
    await good.start()
    try:
        await until(lambda: good.status.state == "live")
        lost = good.status.lost_frames
        await bad.start()
        recording = asyncio.create_task(recorded(good, 4 * RATE))
        await until(lambda: "hangs: a call has not returned for 1 s" in (bad.status.error or ""))
        # The process is replaced, and what was wrong is said until the new one sounds.
        await until(lambda: bad.restarts > 0)
        assert bad.status.error is not None
        await until(lambda: bad.status.state == "live")
        await recording
        assert (good.status.lost_frames, good.restarts) == (lost, 0)
    finally:
        await asyncio.gather(bad.close(), good.close())


def test_a_plugin_that_cannot_be_imported_is_no_reason_not_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, no_import=SOURCES["no_import"], ends=SOURCES["ends"])
    broken = plugins.prepare(
        {
            "stage": InstrumentConfig(instrument="no_import"),
            "hall": InstrumentConfig(instrument="ends"),
            "main": InstrumentConfig(instrument="tone"),
        }
    )
    assert broken == [
        "room stage: no_import: the plug-in cannot be imported: "
        "ModuleNotFoundError: No module named 'a_module_that_is_missing' (made_no_import.py, line 1)",
        "room hall: ends: the plug-in ends its process at import (exit code 7)",
    ]


def test_an_import_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, sleeps=SOURCES["sleeps"])
    kind, wrong = plugins.ask("sleeps", timeout_s=1.0)
    assert (kind.error, wrong) == ("sleeps: the plug-in hangs: its import has not returned after 1 s", "")


def test_wrong_options_are_told_in_the_plugins_words_before_anything_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, pluck=PLUCK)
    with pytest.raises(
        ConfigError, match=r"^room main: options: pluck: lowest_key = 60 is above highest_key = 50"
    ):
        plugins.prepare(
            {"main": InstrumentConfig(instrument="pluck", options={"lowest_key": 60, "highest_key": 50})}
        )
    with pytest.raises(
        ConfigError, match=r"^room main: options: pluck has no option decay; allowed are decay_s, "
    ):
        plugins.prepare({"main": InstrumentConfig(instrument="pluck", options={"decay": 1.0})})

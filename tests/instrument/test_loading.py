"""Instruments that take their time to load: waited for, told about, never killed; and those that never will."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from rtcserver.capture.fluid import SOUNDFONTS
from rtcserver.config.model import InstrumentConfig
from rtcserver.instrument.supervisor import InstrumentSupervisor, ending
from tests.capture.plugins import HEAD, install
from tests.rig.process import wait_until

SAMPLER = (
    HEAD
    + """
    def __init__(self, rate, options):
        from rtcserver.capture import loading, plugin
        plugin.LOAD_NS = 500_000_000
        plugin.PluginSource.first_block_ns = plugin.LOAD_NS
        for step in range(10):
            loading.report("loading samples", step / 10)
            time.sleep(0.3)
    def render(self, frames, first_frame):
        return np.full(frames, 0.1)
"""
)
"""Loads for 3 s, six times as long as it may do nothing."""


async def until(done: Callable[[], bool], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not done():  # noqa: ASYNC110  # the status has no event
            await asyncio.sleep(0.02)


def follow(supervisor: InstrumentSupervisor) -> list[str]:
    """What the supervisor says is loaded, each once."""
    said: list[str] = []

    def note(_: object) -> None:
        if supervisor.progress is not None and str(supervisor.progress) not in said[-1:]:
            said.append(str(supervisor.progress))

    supervisor.on_status = note
    return said


async def test_a_plugin_that_reports_what_it_loads_may_take_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, sampler=SAMPLER)
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="sampler"))
    said = follow(supervisor)
    await supervisor.start()
    try:
        await until(lambda: supervisor.status.state == "live", 30)
        assert supervisor.restarts == 0
        assert supervisor.progress is None
    finally:
        await supervisor.close()
    shares = [text for text in said if text.startswith("loading samples, ")]
    assert [f"loading samples, {10 * step} %" for step in range(10)] == shares


async def test_a_process_that_dies_while_it_loads_is_told_with_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, sampler=SAMPLER)
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="sampler"))
    await supervisor.start()
    try:
        await until(lambda: str(supervisor.progress) == "loading samples, 20 %", 20)
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        await until(lambda: supervisor.restarts == 1, 10)
        assert supervisor.status.error == (
            "the instrument process was killed (is there enough memory?) while loading samples, 20 %; it is tried again"
        )
        await until(lambda: supervisor.status.state == "live", 20)
        assert supervisor.status.error is None
    finally:
        await supervisor.close()


def test_how_a_process_ended_is_said_in_words() -> None:
    assert ending(None, True) == "hung"
    assert ending(None, False) == "could not be started"
    assert ending(-11, False) == "crashed (signal 11)"
    assert ending(1, False) == "ended with code 1"


async def test_a_file_that_is_no_soundfont_is_said_once_and_tried_ever_more_rarely(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(b"no SoundFont" * 100)
    supervisor = InstrumentSupervisor(
        "main", InstrumentConfig(instrument="fluidsynth", soundfont=str(bad), demo=False)
    )
    changes: list[str | None] = []
    supervisor.on_status = lambda status: changes.append(status.error)
    await supervisor.start()
    try:
        await until(lambda: supervisor.status.error is not None, 20)
        await asyncio.sleep(6)
        assert supervisor.status.error == "soundfont: bad.sf2 is no SoundFont (.sf2, .sf3)"
        assert supervisor.restarts == 0
        # The file is put right, and is found to be.
        good = next(path for path in map(Path, SOUNDFONTS) if "TimGM" in path.name)
        bad.write_bytes(good.read_bytes())
        await until(lambda: supervisor.status.state == "live", 20)
    finally:
        await supervisor.close()
    said = [record.getMessage() for record in caplog.records if "no SoundFont" in record.getMessage()]
    assert len(said) == 1


@pytest.fixture
def busy() -> Iterator[None]:
    """Sixteen processes that compute, for as long as a test runs and no longer than two minutes."""
    if shutil.which("stress-ng") is None:
        pytest.fail("stress-ng is missing: script/bootstrap test installs it")
    # In this session: Linux gives another one, as a whole, no more than the tests' own.
    process = subprocess.Popen(["stress-ng", "--cpu", "16", "--timeout", "120", "--quiet"])
    wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 16, "16 workers", 30)
    yield
    process.terminate()
    process.wait(20)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A SoundFont of some 150 MB: a real one, its samples prolonged."""
    small = next(Path(path) for path in SOUNDFONTS if "TimGM" in path and Path(path).is_file())
    data = bytearray(small.read_bytes())
    at = data.index(b"smpl")
    size = int.from_bytes(data[at + 4 : at + 8], "little")
    more = 144 << 20
    noise = np.random.default_rng(3).integers(-99, 99, 1 << 20, np.int16).tobytes() * (more >> 21)
    end = at + 8 + size
    for field in (at + 4, data.index(b"LIST", data.index(b"sdta") - 12) + 4, 4):
        value = int.from_bytes(data[field : field + 4], "little") + len(noise)
        data[field : field + 4] = value.to_bytes(4, "little")
    path = tmp_path / "grand.sf2"
    path.write_bytes(data[:end] + noise + data[end:])
    return path


async def test_a_large_soundfont_on_a_machine_with_a_load_of_16_is_waited_for(
    large: Path, busy: None
) -> None:
    supervisor = InstrumentSupervisor(
        "main", InstrumentConfig(instrument="fluidsynth", soundfont=str(large), demo=False)
    )
    said = follow(supervisor)
    await supervisor.start()
    try:
        await until(lambda: supervisor.pid is not None, 60)
        # Behind the sixteen, which it could not be on a machine that grants real-time priority.
        psutil.Process(supervisor.pid).nice(10)
        await until(lambda: supervisor.status.state == "live", 90)
        assert supervisor.restarts == 0
    finally:
        await supervisor.close()
    assert said[0].startswith("loading grand.sf2, ")
    assert said[-1] == "opening FluidSynth (grand)"
    assert all(text.startswith("loading grand.sf2, ") for text in said[:-1])

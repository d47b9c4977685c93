"""A room on a local output: PortAudio on JACK, bit for bit; what is wrong is said, and the room goes on."""

from __future__ import annotations

import asyncio

import pytest

from rtcserver.config.model import InstrumentConfig
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.monitor.supervisor import Monitor
from tests.instrument.test_plugins import until
from tests.rig.exact import noise, null_test
from tests.rig.jack import Exact, JackServer


async def test_what_is_captured_is_played_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    with JackServer(rate=48_000, blocksize=512) as jack, Exact(jack, 20) as device:
        for name, value in jack.variables.items():
            monkeypatch.setenv(name, value)
        config = InstrumentConfig(instrument="portaudio", device="MONTAGE", blocksize=512)
        instrument = InstrumentSupervisor("main", config)
        monitor = Monitor(instrument, "MONTAGE")
        await instrument.start()
        await monitor.start()
        try:
            await until(lambda: monitor.status.get("played", 0) > 4 * 48_000)
            status = dict(monitor.status)
            recorded = device.recorded()
        finally:
            await monitor.close()
            await instrument.close()
    assert status["device"] == "MONTAGE"
    assert (status["underruns"], status["overruns"], status["slips"]) == (0, 0, 0)
    assert null_test(recorded, noise(), loop=True) == 0


@pytest.mark.unhurried("asserts what is said")
async def test_an_output_that_is_missing_is_named_and_the_room_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with JackServer(rate=48_000, blocksize=512) as jack:
        for name, value in jack.variables.items():
            monkeypatch.setenv(name, value)
        instrument = InstrumentSupervisor("main", InstrumentConfig(instrument="tone"))
        monitor = Monitor(instrument, "Speakers that are not there")
        await instrument.start()
        await monitor.start()
        try:
            await until(lambda: bool(monitor.status.get("error")))
            assert (
                'monitor: no output device is called "Speakers that are not there"' in monitor.status["error"]
            )
            assert "system" in monitor.status["error"]
            await asyncio.sleep(1)
            assert instrument.status.state == "live"
            assert (monitor.restarts, instrument.restarts) == (0, 0)
        finally:
            await monitor.close()
            await instrument.close()

"""A device that goes and comes back as another one: at another rate, under another name, or under one that is not meant."""

from __future__ import annotations

import asyncio

import pytest

from rtcserver.client.listener import Listener
from tests.main_job.test_faults import exact, steps
from tests.main_job.test_listening import live
from tests.rig.jack import JackServer, Tones
from tests.rig.server import RtcServer


async def test_a_device_comes_back_at_another_rate_and_under_another_name() -> None:
    """The listener stays on one timeline throughout, and hears the device's own pitch."""
    with JackServer(rate=44_100) as jack, Tones(jack, 8) as tones:
        settings = {"device": "MONTAGE", "channels": "3,4", "env": jack.variables}
        with RtcServer(instrument="portaudio", **settings) as server:  # type: ignore[arg-type]
            server.wait_healthy(live)
            async with Listener(server.room_url, keep_s=1) as ear:
                await ear.hear(1.0)
                heard = []
                for rate, name in ((48_000, "MONTAGE"), (48_000, "MODX"), (44_100, "MONTAGE M8x")):
                    await asyncio.to_thread(jack.stop)
                    tones.stop()
                    await asyncio.to_thread(server.wait_healthy, lambda said: said["status"] == "degraded")
                    jack.rate, tones.name = rate, name
                    jack.start()
                    tones.start()
                    if name == "MODX":
                        await asyncio.to_thread(server.wait_healthy, another_is_there)
                        error = server.get_json("/api/rooms/main")["instrument"]["error"]
                        continue
                    await asyncio.to_thread(server.wait_healthy, live)
                    assert await ear.hear(ear.heard_s + 2.0)
                    room = server.get_json("/api/rooms/main")
                    left = ear.report(ear.heard_s).left
                    heard.append((room["instrument"]["rate"], room["instrument"]["name"], left.hz))
                packets = list(ear.packets)
                assert ear.state == "connected"
    assert '"MONTAGE"' in error
    assert "MODX" in error, "what there is instead is named"
    assert heard == [
        (48_000, "MONTAGE", pytest.approx(tones.hz(3), abs=1)),
        (44_100, "MONTAGE M8x", pytest.approx(tones.hz(3), abs=1)),
    ]
    assert steps(packets) == {0}
    assert exact(packets) < 150


def another_is_there(said: dict[str, dict[str, dict[str, object]]]) -> bool:
    """JACK is there a moment before the device's ports: then there is still nothing that could be named."""
    room = said["rooms"]["main"]
    return room["code"] == "missing" and "MODX" in str(room["error"])

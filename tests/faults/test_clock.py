"""A wall clock that steps by an hour: sound, links, HTTPS and the log do not care."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient
from tests.main_job.test_faults import exact, steps
from tests.main_job.test_listening import live
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer
from tests.rig.wall_clock import WallClock

pytestmark = pytest.mark.unhurried("counts packets by sequence number and timestamp")

HOUR_S = 3600


async def plays(server: RtcServer, token: str) -> bool:
    """Whether a new session may perform with this token."""
    midi = MidiClient(token=token)
    async with Listener(server.room_url, insecure=True, channels=midi):
        await midi.wait_welcome()
        return midi.performer is not None


async def test_a_step_of_an_hour_in_either_direction_disturbs_nothing(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    with RtcServer(instrument="fluidsynth", env=clock.variables, tls="auto") as server:
        server.wait_healthy(live)
        token = performer_token(server)
        served = server.authority.read_bytes()
        async with Listener(server.room_url, insecure=True, keep_s=2) as ear:
            assert await ear.hear(1.0)
            for offset_s in (HOUR_S, -HOUR_S):
                await asyncio.to_thread(clock.set, offset_s)
                assert await ear.hear(ear.heard_s + 2.0), "the sound goes on"
                assert await plays(server, token), "a link that was made before is still one"
                # This asks with the authority's certificate, by this machine's own clock.
                said = await asyncio.to_thread(server.health)
                assert said["status"] == "ok"
            delivery = ear.report().delivery
            packets = list(ear.packets)
            assert ear.state == "connected"
        restarts = {name: one["restarts"] for name, one in said["processes"].items()}
        assert set(restarts.values()) == {0}
        assert said["processes"]["server"]["standstills"] == 0
        assert server.authority.read_bytes() == served
    assert delivery.lost == delivery.timestamp_errors == 0
    assert steps(packets) == {0}
    assert exact(packets) < 60

"""What breaks mends itself: a killed process, a device that goes and comes back, a killed server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import psutil
import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.measure import Packet
from rtcserver.client.report import ListenReport
from tests.attempts import Measurements
from tests.main_job.test_listening import FRAME, TRANSPORTS, live
from tests.rig.jack import JackServer, Tones
from tests.rig.process import wait_until
from tests.rig.server import RtcServer


def steps(packets: list[Packet]) -> set[int]:
    """Steps of the RTP timestamp, modulo whole frames: {0} if the grid was never left."""
    return {(b.timestamp - a.timestamp) % FRAME for a, b in pairwise(packets)}


def exact(packets: list[Packet]) -> float:
    """How far media time and arrival drift apart over the run, in ms; delivery jitter included."""
    media_ms = (packets[-1].timestamp - packets[0].timestamp) / 48
    arrival_ms = (packets[-1].arrival_ns - packets[0].arrival_ns) / 1e6
    return abs(media_ms - arrival_ms)


async def _instrument_killed(server: RtcServer) -> tuple[ListenReport, list[Packet]]:
    """What a listener hears from a second before its instrument process is killed."""
    async with Listener(server.room_url, keep_s=2) as ear:
        await ear.hear(1.0)
        (pid,) = server.pids_with("rtcserver.instrument.process")
        os.kill(pid, signal.SIGKILL)
        replaced = partial(
            wait_until, lambda: server.pids_with("instrument.process") not in ([], [pid]), "new", 5
        )
        await asyncio.to_thread(replaced)
        await asyncio.to_thread(server.wait_healthy, live)
        await ear.hear(6.0)
        assert ear.state == "connected"
        return ear.report(6.0), list(ear.packets)


Killed = dict[str, tuple[ListenReport, list[Packet], dict[str, Any]]]


@pytest.fixture
def killed(measurements: Measurements) -> Killed:
    return measurements.of_this_attempt(kill_both)


def kill_both() -> Killed:
    """`_instrument_killed` and ``/healthz`` afterwards, by transport, both at once."""

    async def both() -> list[tuple[ListenReport, list[Packet]]]:
        return await asyncio.gather(*(_instrument_killed(server) for server in servers))

    with ExitStack() as stack:
        servers = [stack.enter_context(RtcServer(instrument="tone", transport=one)) for one in TRANSPORTS]
        for server in servers:
            server.wait_healthy(live)
        heard = asyncio.run(both())
        return {
            transport: (*one, server.health())
            for transport, one, server in zip(TRANSPORTS, heard, servers, strict=True)
        }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_killed_instrument_process_is_replaced_and_the_listener_stays(
    killed: Killed, transport: str
) -> None:
    report, packets, health = killed[transport]
    assert health["rooms"]["main"]["epoch"] == 2
    assert steps(packets) == {0}
    assert exact(packets) < 60
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(packets)} == {1}
    # The last two seconds are sound again.
    assert (report.left.hz, report.right.hz) == (pytest.approx(440, abs=1), pytest.approx(660, abs=1))


async def test_a_device_that_is_unplugged_and_replugged() -> None:
    """On either transport; both servers capture the same device."""
    async with AsyncExitStack() as stack:
        jack = stack.enter_context(JackServer())
        tones = stack.enter_context(Tones(jack, 8))
        shared: dict[str, Any] = {"instrument": "portaudio", "device": "MONTAGE", "channels": "3,4"}
        servers = [
            stack.enter_context(RtcServer(transport=transport, env=jack.variables, **shared))
            for transport in TRANSPORTS
        ]
        for server in servers:
            server.wait_healthy(live)
        ears = [await stack.enter_async_context(Listener(server.room_url, keep_s=1)) for server in servers]
        await asyncio.gather(*(ear.hear(1.0) for ear in ears))
        await asyncio.to_thread(jack.stop)
        tones.stop()
        for server in servers:
            await asyncio.to_thread(server.wait_healthy, lambda h: h["status"] == "degraded")
            room = server.get_json("/api/rooms/main")
            assert room["instrument"]["state"] == "silent"
            assert room["instrument"]["error"]
        silent = [ear.received for ear in ears]
        await asyncio.sleep(1.0)
        # Silence goes on, encoded: about a hundred packets a second.
        assert all(ear.received - before > 80 for ear, before in zip(ears, silent, strict=True))
        jack.start()
        tones.start()
        back = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(server.wait_healthy, live) for server in servers))
        took = time.monotonic() - back
        await asyncio.gather(*(ear.hear(ear.heard_s + 2.0) for ear in ears))
        heard = [(ear.report(ear.heard_s), list(ear.packets)) for ear in ears]
        assert [ear.state for ear in ears] == ["connected", "connected"]
    assert took < 3.0
    for transport, (sound, packets) in zip(TRANSPORTS, heard, strict=True):
        assert steps(packets) == {0}, transport
        assert exact(packets) < 150, transport
        assert sound.left.hz == pytest.approx(tones.hz(3), abs=1), transport
        assert sound.right.hz == pytest.approx(tones.hz(4), abs=1), transport


@pytest.mark.unhurried("asserts what is said")
async def test_a_missing_device_is_silence_with_a_reason(jack_server: JackServer) -> None:
    with RtcServer(
        instrument="portaudio", device="Synth that is not there", env=jack_server.variables
    ) as server:
        server.wait_healthy(lambda h: h["rooms"]["main"]["code"] == "missing")
        error = server.get_json("/api/rooms/main")["instrument"]["error"]
        async with Listener(server.room_url) as ear:
            assert await ear.hear(1.0)
            report = ear.report(1.0)
    assert 'no input device is called "Synth that is not there"' in error
    assert "system" in error  # what there is instead
    assert not report.heard
    assert report.delivery.packets == 100


@pytest.mark.unhurried("waits for processes to end")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_outlives_a_killed_server(transport: str) -> None:
    server = RtcServer(instrument="tone", transport=transport)
    with server:
        server.wait_healthy(live)
        children = server.child_pids()
        assert children
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in children), "all children gone", 5)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("", server.port))

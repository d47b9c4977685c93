"""Each child process killed, and each stopped (SIGSTOP): it is replaced, and sound and notes come again."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient
from tests.main_job.test_listening import live
from tests.midiport.jack_instrument import JackInstrument
from tests.rig.jack import JackServer, Tones
from tests.rig.perform import performer_token
from tests.rig.process import is_gone, wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for ends and beginnings, however late")

LEFT_HZ = 440


def restarts(server: RtcServer, process: str) -> int:
    return int(server.health()["processes"][process]["restarts"])


async def replaced(server: RtcServer, process: str, number: signal.Signals) -> None:
    """Send a signal to a child and wait until another one is in its place."""
    pid = int(server.health()["processes"][process]["pid"])
    before = restarts(server, process)
    os.kill(pid, number)
    await asyncio.to_thread(
        wait_until,
        lambda: restarts(server, process) == before + 1 and live(server.health()),
        "it is replaced",
        20,
    )
    assert is_gone(pid), "a stopped process is not left behind"


async def test_an_instrument_that_stands_still_is_replaced_and_its_listener_stays() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Listener(server.room_url, keep_s=1) as ear:
            await ear.hear(0.5)
            await replaced(server, "instrument:main", signal.SIGSTOP)
            assert await ear.hear(ear.heard_s + 2.0)
            report = ear.report(ear.heard_s)
            assert ear.state == "connected"
    assert report.delivery.lost == 0
    assert report.left.hz == pytest.approx(LEFT_HZ, abs=1)


async def test_a_broadcast_process_that_stands_still_is_replaced_and_listeners_can_come_again() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Listener(server.room_url) as ear:
            await ear.hear(0.5)
            await replaced(server, "broadcast", signal.SIGSTOP)
        async with Listener(server.room_url) as ear:
            assert await ear.hear(0.5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_midi_port_process_that_ends_or_stands_still_is_replaced_and_plays_again(
    number: signal.Signals, jack_server: JackServer
) -> None:
    with (
        Tones(jack_server, 2) as _,
        JackInstrument(jack_server, "Keys") as keys,
        RtcServer(
            instrument="portaudio",
            device="MONTAGE",
            midi_output="Keys",
            midi_api="jack",
            midi_profile="gm",
            env=jack_server.variables,
        ) as server,
    ):
        server.wait_healthy(live)
        midi = MidiClient(token=performer_token(server))
        async with Listener(server.room_url, channels=midi):
            await midi.wait_welcome()
            await replaced(server, "midi:main", number)

            async def plays() -> bool:
                midi.push(bytes((0x90, 60, 99)))
                await asyncio.sleep(0.2)
                midi.push(bytes((0x80, 60, 0)))
                return any(message[:2] == bytes((0x90, 60)) for message in keys.messages())

            async with asyncio.timeout(15):
                while not await plays():
                    pass

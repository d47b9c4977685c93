"""Each child process killed, and each stopped (SIGSTOP): it is replaced, and sound and notes come again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient
from rtcserver.server.tokens import KEY_FILE
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


OTHERS = ("broadcast", "fork-server")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_process_that_children_are_forked_from_is_replaced_and_nobody_hears_it(
    number: signal.Signals,
) -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Listener(server.room_url, keep_s=1) as ear:
            await ear.hear(0.5)
            before = {name: server.health()["processes"][name]["pid"] for name in OTHERS}
            os.kill(int(server.health()["processes"]["fork-server"]["pid"]), number)
            # One that stands still is found out when it is needed.
            await replaced(server, "instrument:main", signal.SIGKILL)
            await asyncio.to_thread(
                wait_until,
                lambda: restarts(server, "fork-server") == 1 and live(server.health()),
                "another",
                20,
            )
            assert await ear.hear(ear.heard_s + 1.0)
            assert ear.report(ear.heard_s).delivery.lost == 0
            after = {name: server.health()["processes"][name]["pid"] for name in OTHERS}
            assert after["broadcast"] == before["broadcast"]
            assert after["fork-server"] != before["fork-server"]


def test_children_and_what_they_are_forked_from_have_no_secret_of_the_server_in_their_memory(
    tmp_path: Path,
) -> None:
    with RtcServer(instrument="tone", tls="auto", state_dir=tmp_path) as server:
        server.wait_healthy(live)
        secrets = [(tmp_path / KEY_FILE).read_bytes(), *private_numbers(tmp_path / "server.key")]
        pids = {name: int(one["pid"]) for name, one in server.health()["processes"].items() if one.get("pid")}
        assert {"fork-server", "broadcast", "instrument:main"} <= set(pids)
        assert remembers(server.pid, secrets[0]), "the search finds what is there"
        for name, pid in pids.items():
            if pid != server.pid:
                assert not any(remembers(pid, secret) for secret in secrets), name


def private_numbers(path: Path) -> list[bytes]:
    """A private key as its file has it, and as a number in both orders of its bytes."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    return [path.read_bytes(), number.to_bytes(32, "big"), number.to_bytes(32, "little")]


def remembers(pid: int, secret: bytes) -> bool:
    """Whether the bytes are anywhere in what a process may write to."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            reach, rights, *_ = line.split()
            if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(number, 16) for number in reach.split("-"))
            memory.seek(start)
            with contextlib.suppress(OSError):
                if secret in memory.read(end - start):
                    return True
    return False

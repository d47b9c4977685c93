"""No descriptor left, or no room on the disk: what runs goes on, and all is well when there is room again."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient
from tests.main_job.test_listening import live
from tests.rig.perform import performer_token
from tests.rig.process import wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("counts packets by sequence number")


def limit(server: RtcServer, which: int, soft: int) -> None:
    """Give the running server another limit of its own; its children have it from their start on."""
    (fork_server,) = server.pids_with("rtcserver.children.fork_server")
    for pid in (server.pid, fork_server):
        hard = psutil.Process(pid).rlimit(which)[1]
        psutil.Process(pid).rlimit(which, (soft, hard))


async def test_a_server_without_a_free_descriptor_serves_on_and_recovers() -> None:
    with RtcServer(instrument="tone", max_half_open=2000) as server:
        server.wait_healthy(live)
        normal = psutil.Process(server.pid).rlimit(resource.RLIMIT_NOFILE)[0]
        async with Listener(server.room_url, keep_s=1) as ear:
            await ear.hear(0.5)
            held = psutil.Process(server.pid).num_fds()
            limit(server, resource.RLIMIT_NOFILE, held + 8)
            with ExitStack() as stack:
                for _ in range(30):
                    stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
                await asyncio.to_thread(
                    wait_until,
                    lambda: psutil.Process(server.pid).num_fds() >= held + 8,
                    "no descriptor is free",
                )
                # What would need some is asked for now: another instrument process.
                (pid,) = server.pids_with("rtcserver.instrument.process")
                os.kill(pid, signal.SIGKILL)
                assert await ear.hear(ear.heard_s + 3.0), "packets, if silent ones, keep coming"
                assert server.running
                assert not server.pids_with("rtcserver.instrument.process")
            limit(server, resource.RLIMIT_NOFILE, normal)
            await asyncio.to_thread(server.wait_healthy, live, 30)
            assert await ear.hear(ear.heard_s + 2.0)
            report = ear.report(ear.heard_s)
            async with Listener(server.room_url) as another:
                assert await another.hear(0.5)
        log = server.log()
    assert report.delivery.lost == 0
    assert report.left.hz == pytest.approx(440, abs=1)
    assert "newcomers have to wait: [Errno 24] Too many open files" in log
    assert log.count("\n") < 20, "it is said, and not with every attempt"


async def test_a_full_disk_ends_neither_sound_nor_links_nor_the_server(tmp_path: Path) -> None:
    """RLIMIT_FSIZE 0 refuses every byte to every file: state, sign of life and the log, as a full disk does."""
    sign = tmp_path / "health"
    with RtcServer(instrument="fluidsynth", health_file=sign, tls="auto") as server:
        server.wait_healthy(live)
        token = performer_token(server)
        async with Listener(server.room_url, insecure=True) as ear:
            await ear.hear(0.5)
            limit(server, resource.RLIMIT_FSIZE, 0)
            said = len(server.log())
            os.kill(server.pid, signal.SIGHUP)  # reads the configuration, looks at the certificate, and logs
            (pid,) = server.pids_with("rtcserver.instrument.process")
            os.kill(pid, signal.SIGKILL)
            assert await ear.hear(ear.heard_s + 4.0)
            await asyncio.to_thread(server.wait_healthy, live)
            midi = MidiClient(token=token)
            async with Listener(server.room_url, insecure=True, channels=midi):
                await midi.wait_welcome()
                assert midi.performer is not None, "links are read, not written"
            assert len(server.log()) == said, "nothing could be written"
            assert ear.report().delivery.lost == 0
            limit(server, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
            old = sign.stat().st_mtime_ns
            await asyncio.to_thread(wait_until, lambda: sign.stat().st_mtime_ns > old, "a sign of life again")
            os.kill(server.pid, signal.SIGHUP)
            assert server.health()["status"] == "ok"


def test_a_server_that_starts_on_a_full_disk_says_what_that_costs() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    server = RtcServer(instrument="tone")
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    try:
        limit(server, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
        server.wait_healthy(live)
    finally:
        server.close()

"""What the broadcast process makes of control messages, good and bad, and how it ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket

from rtcserver.broadcast import control, control_wire
from rtcserver.broadcast.multibuffer import LIBRARY
from rtcserver.broadcast.session_key import multi_buffer
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.opus import OPUS
from tests.broadcast.child import FRAME, ROOT, Child, packet
from tests.broadcast.listening import Listening, is_rtcp

Make = Callable[..., Listening]


def test_bad_messages_change_nothing(child: Child, feed: socket.socket, listening: Make) -> None:
    ear, copy = listening(1), listening(2)
    child.tell(control.AddListener(ear.spec))
    for junk in (
        b"{",
        b'{"type":"nonsense"}',
        control_wire.pack(control.Refused(1, "wrong way")),
        b"\0" * 60_000,
    ):
        child.sock.send(junk)
    spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with spare:
        # Descriptors that no message asked for, and messages without those that they need.
        child.tell(control.RemoveFeed("nobody"), spare, spare)
        child.tell(control.AddSockets(2), spare)
        child.tell(control.AddFeed("other", FRAME, 0, 0))
    child.report()
    descriptors = len(os.listdir(f"/proc/{child.process.pid}/fd"))  # noqa: PTH208
    for _ in range(5):
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as spare:
            child.tell(control.RemoveFeed("nobody"), spare)
    child.tell(control.AddListener(copy.change(master=ear.spec.master).spec))
    refused = child.receive_a(control.Refused)
    assert refused.listener_id == 2
    assert ear.spec.master.hex() not in refused.reason
    for message in (
        control.Resend(77, (1,)),
        control.RemoveListener(77),
        control.SetAddress(77, ear.spec.destination),
        control.SetKind(77, "pcm", 111),
    ):
        child.tell(message)
    report = child.report()
    assert report.unknown == 4
    assert report.totals.listeners == 1
    assert set(report.rooms) == {"main"}
    assert len(os.listdir(f"/proc/{child.process.pid}/fd")) == descriptors  # noqa: PTH208
    feed.send(packet(0).pack())
    assert ear.decrypt(ear.wait(1))[0].payload == packet(0).payload


def test_a_listener_is_added_before_losses_are_mended(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    asking, newcomer = listening(1), listening(2)
    child.tell(control.AddListener(asking.spec))
    child.report()
    child.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    os.kill(child.process.pid, signal.SIGSTOP)
    for _ in range(25):
        child.tell(control.Resend(1, tuple(range(40_000, 40_000 + control.MAX_NACKS))))
    child.tell(control.AddListener(newcomer.spec))
    child.tell(control.StatsRequest(77))
    os.kill(child.process.pid, signal.SIGCONT)
    while (report := child.receive_a(control.BroadcastReport)).token != 77:
        pass
    assert report.totals.listeners == 2
    assert report.totals.refused_nacks < 25 * control.MAX_NACKS, "all were looked up first"
    while report.totals.refused_nacks < 25 * control.MAX_NACKS:  # none is forgotten
        report = child.report()
    assert report.dropped_resends == 0


def test_media_goes_on_through_a_flood_of_control_messages(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ear, crowd = listening(1), listening(2)
    child.tell(control.AddListener(ear.spec))
    child.report()
    sent, joined = [], 0
    for n in range(30):
        for _ in range(20):
            joined += 1
            child.tell(
                control.AddListener(crowd.change(listener_id=100 + joined, master=joined.to_bytes(28)).spec)
            )
        sent.append(packet(n))
        feed.send(sent[-1].pack())
    got: list[Any] = []
    give_up_ns = monotonic_ns() + 10 * NS
    while len(got) < 30:
        got += [one for one in ear.decrypt(ear.wait(1)) if one.payload != OPUS.silence(FRAME)]
        assert monotonic_ns() < give_up_ns, f"{len(got)} of 30 packets: {child.report().rooms}"
    assert [one.payload for one in got] == [one.payload for one in sent]
    assert child.report().totals.listeners == 1 + joined


def test_everyone_gets_reports_and_counters_and_a_bye(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ears = [listening(n) for n in range(5)]
    for ear in ears:
        child.tell(control.AddListener(ear.spec))
    child.report()
    feed.send(packet(0).pack())
    seen: set[int] = set()
    while seen != {0, 1, 2, 3, 4}:
        seen |= {row.listener_id for row in child.receive_a(control.ListenerStats).rows if row.packets}
    child.tell(control.Stop())
    assert child.process.wait(10) == 0
    for ear in ears:
        compounds = [RtcpPacket.parse(ear.session.unprotect_rtcp(d)) for d in ear.drain() if is_rtcp(d)]
        assert len(compounds) >= 2
        assert isinstance(compounds[-1][-1], RtcpByePacket)


@pytest.mark.parametrize("bursts", [True, False])
def test_it_tells_what_protects_and_leaves_the_multi_buffer_library_alone_if_told_so(
    child: Child, media_socket: socket.socket, listening: Make, bursts: bool
) -> None:
    child.tell(control.AddSockets(1), media_socket)
    if not bursts:
        child.tell(control.WithoutBursts())
    assert child.report().srtp == ("" if bursts else "libsrtp"), "nothing is loaded before somebody listens"
    child.tell(control.AddListener(listening(1).spec))
    taken = bursts and multi_buffer() is not None
    assert child.report().srtp == ("libipsec-mb" if taken else "libsrtp")
    assert (LIBRARY in Path(f"/proc/{child.process.pid}/maps").read_text()) == taken


def test_it_exits_when_the_control_socket_closes(
    child: Child, feed: socket.socket, media_socket: socket.socket, listening: Make
) -> None:
    child.tell(control.AddListener(listening(1).spec))
    child.report()
    address = media_socket.getsockname()
    media_socket.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        with pytest.raises(OSError, match="in use"):
            again.bind(address)
        child.sock.close()
        assert child.process.wait(10) == 0
        again.bind(address)


SERVER = """
import asyncio, socket, sys
from rtcserver.broadcast.supervisor import BroadcastSupervisor

async def main():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    broadcast = BroadcastSupervisor([sock])
    await broadcast.start()
    await broadcast.client.fetch_stats()
    print(broadcast.pid, sock.getsockname()[1], flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_a_killed_server_leaves_no_child_and_the_port_free() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        pid, port = map(int, server.stdout.readline().split())
        assert running(pid)
        watch = os.pidfd_open(pid)
        server.kill()
    # The end of the child, not a time, is what is waited for.
    assert select.select([watch], [], [], 10)[0]
    os.close(watch)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
    assert not running(pid)


def running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped by its new parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_it_imports_nothing_of_the_web() -> None:
    code = "import sys, rtcserver.broadcast.process; print(*sys.modules)"
    modules = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    assert "numpy" in modules
    assert not modules & {
        "aiohttp",
        "aiortc",
        "aioice",
        "asyncio",
        "av",
        "cryptography",
        "opuslib",
        "pydantic",
        "sounddevice",
        "ssl",
    }


def test_ctrl_c_is_the_servers_to_handle(child: Child) -> None:
    child.process.send_signal(signal.SIGINT)
    assert child.report().totals.listeners == 0

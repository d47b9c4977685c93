"""The server's handle on the process, and its supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket

from rtcserver.broadcast import supervisor as supervisor_module
from rtcserver.broadcast.client import BroadcastClient
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.children.liveness import SILENCE_NS
from rtcserver.clock import monotonic_ns
from rtcserver.encode.packet import EncodedPacket
from rtcserver.errors import ProcessError
from tests.broadcast.listening import Listening, Rtp

Make = Callable[..., Listening]
FRAME = 480


def packet(n: int) -> EncodedPacket:
    return EncodedPacket(n * FRAME, FRAME, monotonic_ns(), 1, n.to_bytes(4) + bytes(60))


async def hear(ear: Listening, wanted: EncodedPacket) -> list[Rtp]:
    """Everything up to a packet, without blocking the loop."""
    got: list[Rtp] = []
    async with asyncio.timeout(10):
        while wanted.payload not in [one.payload for one in got]:
            got += ear.rtp()
            await asyncio.sleep(0.005)
    return got


@pytest.fixture
async def broadcast(media_socket: socket.socket) -> AsyncIterator[BroadcastSupervisor]:
    supervisor = BroadcastSupervisor([media_socket])
    await supervisor.start()
    yield supervisor
    await supervisor.close()


def running(supervisor: BroadcastSupervisor) -> tuple[BroadcastClient, int]:
    """The process that runs: what it can be told, and its id."""
    assert supervisor.client is not None
    assert supervisor.pid is not None
    return supervisor.client, supervisor.pid


@pytest.fixture
def feed() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(writing, reading) halves."""
    writing, reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with writing, reading:
        yield writing, reading


def later() -> tuple[int, int]:
    """An anchor that keeps silence away for the length of a test."""
    return 0, monotonic_ns() + 3600 * 10**9


async def test_listeners_come_move_and_go(
    broadcast: BroadcastSupervisor, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    client, _ = running(broadcast)
    ear, other, elsewhere = listening(1), listening(2), listening(3)
    broadcast.add_feed("main", feed[1], FRAME, later)
    for one in (ear, other):
        client.add_listener(one.spec)
    await client.fetch_stats()
    feed[0].send(packet(0).pack())
    await hear(ear, packet(0))
    await hear(other, packet(0))
    client.set_address(1, elsewhere.spec.destination)
    client.nack(1, [ear.spec.first_sequence])
    client.remove_listener(2)
    client.remove_listener(2)
    # What is to be sent again comes after all other messages, so that a first report may not have it yet.
    await client.fetch_stats()
    # What is to be sent again comes after all else that the process was told, the request for a report too.
    async with asyncio.timeout(10):
        while (report := await client.fetch_stats([1, 2])).totals.retransmits == 0:
            pass
    assert report.totals.listeners == 1
    assert report.totals.retransmits == 1
    assert report.unknown == 0
    assert client.report == report
    counters = client.listener_stats(1)
    assert counters is not None
    assert (counters.packets >= 1, counters.retransmits) == (True, 1)
    assert client.listener_stats(2) is None
    assert len(elsewhere.wait(1)) >= 1
    broadcast.remove_feed("main")
    broadcast.remove_feed("main")
    assert (await client.fetch_stats()).rooms == {}


async def test_each_process_is_told_to_do_without_bursts(
    media_socket: socket.socket, listening: Make
) -> None:
    restarted = asyncio.Event()
    supervisor = BroadcastSupervisor([media_socket], on_restarted=restarted.set, bursts=False)
    await supervisor.start()
    for number in range(2):
        client, pid = running(supervisor)
        client.add_listener(listening(number).spec)
        assert (await client.fetch_stats()).srtp == "libsrtp"
        if not number:
            os.kill(pid, signal.SIGKILL)
            await asyncio.wait_for(restarted.wait(), 10)
    await supervisor.close()


async def test_a_refused_listener_is_reported(media_socket: socket.socket, listening: Make) -> None:
    refused: list[tuple[int, str]] = []
    supervisor = BroadcastSupervisor(
        [media_socket], on_refused=lambda listener, reason: refused.append((listener, reason))
    )
    await supervisor.start()
    client, _ = running(supervisor)
    client.add_listener(listening(7, fd_index=1).spec)
    await client.fetch_stats()
    assert [listener for listener, _ in refused] == [7]
    assert "fd_index" in refused[0][1]
    assert client.refused == 1
    await supervisor.close()


async def test_close_says_bye_ends_the_process_and_is_idempotent(
    media_socket: socket.socket, listening: Make
) -> None:
    lost: list[bool] = []
    supervisor = BroadcastSupervisor([media_socket], on_lost=lambda: lost.append(True))
    await supervisor.start()
    client, pid = running(supervisor)
    ear = listening(1)
    client.add_listener(ear.spec)
    await supervisor.close()
    await supervisor.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert lost == []
    assert not client.alive
    assert supervisor.client is None
    assert any(RtcpByePacket in map(type, RtcpPacket.parse(data)) for data in ear.rtcp())


async def test_close_does_not_wait_for_a_process_that_hangs(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "STOP_S", 0.05)
    supervisor = BroadcastSupervisor([media_socket])
    await supervisor.start()
    _, pid = running(supervisor)
    os.kill(pid, signal.SIGSTOP)
    await supervisor.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_end_of_the_process_is_told_once(media_socket: socket.socket, listening: Make) -> None:
    lost: asyncio.Queue[BroadcastClient | None] = asyncio.Queue()
    supervisor = BroadcastSupervisor([media_socket], on_lost=lambda: lost.put_nowait(supervisor.client))
    await supervisor.start()
    client, pid = running(supervisor)
    client.add_listener(listening(1).spec)
    request = asyncio.ensure_future(client.fetch_stats())
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(lost.get(), 10) is None
    with pytest.raises(ProcessError, match="has ended"):
        await request
    assert not client.alive
    with pytest.raises(ProcessError, match="not running"):
        client.add_listener(listening(2).spec)
    # What else is said to it is lost, quietly: its owner has been told.
    client.remove_listener(1)
    client.nack(1, [1])
    await supervisor.close()
    assert lost.empty()


async def test_a_process_that_does_not_read_is_given_up(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "MAX_QUEUE", 50)
    lost = asyncio.Event()
    supervisor = BroadcastSupervisor([media_socket], on_lost=lost.set)
    await supervisor.start()
    client, pid = running(supervisor)
    os.kill(pid, signal.SIGSTOP)
    # Without a turn for the loop: far more than the socket's megabyte holds.
    for _ in range(2000):
        client.set_kind(1, "long" * 500, 111)
    await asyncio.wait_for(lost.wait(), 10)
    await supervisor.close()


async def test_messages_that_had_to_wait_arrive_in_order(
    broadcast: BroadcastSupervisor, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    client, pid = running(broadcast)
    await client.fetch_stats()
    os.kill(pid, signal.SIGSTOP)
    for _ in range(1000):
        client.set_kind(1, "long" * 500, 111)
    # With a descriptor, behind all those, and closed here before it leaves.
    spare = feed[1].dup()
    broadcast.add_feed("main", spare, FRAME, later)
    spare.close()
    ear = listening(1)
    client.add_listener(ear.spec)
    os.kill(pid, signal.SIGCONT)
    report = await client.fetch_stats(timeout=10)
    assert report.unknown == 1000
    assert list(report.rooms) == ["main"]
    feed[0].send(packet(0).pack())
    await hear(ear, packet(0))


async def test_requests_to_resend_do_not_wait_in_the_way_of_others(
    broadcast: BroadcastSupervisor, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    client, pid = running(broadcast)
    broadcast.add_feed("main", feed[1], FRAME, later)
    asking, ear = listening(1), listening(2)
    client.add_listener(asking.spec)
    await client.fetch_stats()
    os.kill(pid, signal.SIGSTOP)
    # Far more than is kept for a process that does not read, which is then given up.
    for _ in range(3 * supervisor_module.MAX_QUEUE):
        client.nack(1, range(512))
        client.send_stream(1, b"an answer")
    client.add_listener(ear.spec)
    assert broadcast.unread_ns > 0
    os.kill(pid, signal.SIGCONT)
    # At once, although some hundred requests are still to be worked off.
    report = await client.fetch_stats(timeout=10)
    assert report.totals.listeners == 2
    assert broadcast.dropped_resends > 2 * supervisor_module.MAX_QUEUE
    assert broadcast.dropped_packets > 2 * supervisor_module.MAX_QUEUE
    feed[0].send(packet(0).pack())
    await hear(ear, packet(0))
    assert broadcast.restarts == 0
    assert broadcast.unread_ns == 0


async def test_a_start_that_fails_says_so(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    supervisor = BroadcastSupervisor([media_socket])
    with pytest.raises(ProcessError, match=r"did not start \(exit code 1\)"):
        await supervisor.start()
    assert supervisor.client is None
    assert supervisor.pid is None


SLOW = """#!/bin/sh
sleep 4
exec {python} "$@"
"""


async def test_a_slow_start_is_waited_for(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Longer than the silence that a running process may keep."""
    slow = tmp_path / "python"
    slow.write_text(SLOW.format(python=sys.executable))
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    monkeypatch.setattr(supervisor_module, "STILL_STARTING_S", 0.5)
    supervisor = BroadcastSupervisor([media_socket])
    began = monotonic_ns()
    await supervisor.start()
    assert monotonic_ns() - began > SILENCE_NS
    assert supervisor.restarts == 0
    client, _ = running(supervisor)
    assert (await client.fetch_stats()).totals.listeners == 0
    await supervisor.close()


async def test_the_supervisor_brings_rooms_back_and_not_listeners(
    media_socket: socket.socket, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    lost, restarted = asyncio.Event(), asyncio.Event()
    supervisor = BroadcastSupervisor([media_socket], on_lost=lost.set, on_restarted=restarted.set)
    await supervisor.start()
    supervisor.add_feed("main", feed[1], FRAME, later)
    first, first_pid = running(supervisor)
    before, after = listening(1), listening(2)
    first.add_listener(before.spec)
    await first.fetch_stats()
    feed[0].send(packet(0).pack())
    await hear(before, packet(0))
    os.kill(first_pid, signal.SIGKILL)
    await asyncio.wait_for(lost.wait(), 10)
    before.drain()
    await asyncio.wait_for(restarted.wait(), 10)
    second, second_pid = running(supervisor)
    assert supervisor.restarts == 1
    assert second_pid != first_pid
    second.add_listener(after.spec)
    report = await second.fetch_stats()
    assert (report.totals.listeners, list(report.rooms)) == (1, ["main"])
    feed[0].send(packet(100).pack())
    await hear(after, packet(100))
    assert before.drain() == []
    await supervisor.close()
    await supervisor.close()
    assert not second.alive

"""The server's handle on the process, and its supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from rtcserver.broadcast import client as client_module
from rtcserver.broadcast.client import BroadcastClient
from rtcserver.broadcast.supervisor import BroadcastSupervisor
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
async def client(media_socket: socket.socket) -> AsyncIterator[BroadcastClient]:
    handle = BroadcastClient()
    await handle.start([media_socket])
    yield handle
    await handle.close()


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
    client: BroadcastClient, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    ear, other, elsewhere = listening(1), listening(2), listening(3)
    client.add_feed("main", feed[1], FRAME, later())
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
    report = await client.fetch_stats([1, 2])
    assert report.totals.listeners == 1
    assert report.totals.retransmits == 1
    assert report.unknown == 0
    assert client.stats() == report
    counters = client.listener_stats(1)
    assert counters is not None
    assert (counters.packets >= 1, counters.retransmits) == (True, 1)
    assert client.listener_stats(2) is None
    assert len(elsewhere.wait(1)) >= 1


async def test_a_refused_listener_is_reported(media_socket: socket.socket, listening: Make) -> None:
    refused: list[tuple[int, str]] = []
    client = BroadcastClient(on_refused=lambda listener, reason: refused.append((listener, reason)))
    await client.start([media_socket])
    client.add_listener(listening(7, fd_index=1).spec)
    await client.fetch_stats()
    assert [listener for listener, _ in refused] == [7]
    assert "fd_index" in refused[0][1]
    assert client.refused == 1
    await client.close()


async def test_close_ends_the_process_and_is_idempotent(media_socket: socket.socket) -> None:
    exits: list[int] = []
    client = BroadcastClient(on_exit=exits.append)
    await client.start([media_socket])
    pid = client.pid
    assert pid is not None
    await client.close()
    await client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert exits == []
    assert not client.alive


async def test_close_does_not_wait_for_a_process_that_hangs(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SHUTDOWN_TIMEOUT_S", 0.05)
    client = BroadcastClient()
    await client.start([media_socket])
    assert client.pid is not None
    os.kill(client.pid, signal.SIGSTOP)
    await client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(client.pid, 0)


async def test_the_end_of_the_process_is_told_once(media_socket: socket.socket, listening: Make) -> None:
    exits: asyncio.Queue[int] = asyncio.Queue()
    client = BroadcastClient(on_exit=exits.put_nowait)
    await client.start([media_socket])
    client.add_listener(listening(1).spec)
    request = asyncio.ensure_future(client.fetch_stats())
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    assert await asyncio.wait_for(exits.get(), 10) == -signal.SIGKILL
    await asyncio.gather(request, return_exceptions=True)
    assert exits.empty()
    assert not client.alive
    with pytest.raises(ProcessError, match="not running"):
        client.add_listener(listening(2).spec)
    # What else is said to it is lost, quietly: its owner has been told.
    client.remove_listener(1)
    client.nack(1, [1])
    await client.close()


async def test_a_process_that_does_not_read_is_given_up(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_QUEUE", 50)
    exits: asyncio.Queue[int] = asyncio.Queue()
    client = BroadcastClient(on_exit=exits.put_nowait)
    await client.start([media_socket])
    assert client.pid is not None
    os.kill(client.pid, signal.SIGSTOP)
    told = 0
    while not client.overflowed:
        client.nack(1, range(512))
        told += 1
        assert told < 10_000
    assert told > 50
    assert await asyncio.wait_for(exits.get(), 10) == -signal.SIGKILL
    await client.close()


async def test_messages_that_had_to_wait_arrive_in_order(
    media_socket: socket.socket, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    client = BroadcastClient()
    await client.start([media_socket])
    assert client.pid is not None
    await client.fetch_stats()
    os.kill(client.pid, signal.SIGSTOP)
    for _ in range(1000):
        client.nack(1, range(512))
    # With a descriptor, behind all those, and closed here before it leaves.
    spare = feed[1].dup()
    client.add_feed("main", spare, FRAME, later())
    spare.close()
    ear = listening(1)
    client.add_listener(ear.spec)
    os.kill(client.pid, signal.SIGCONT)
    report = await client.fetch_stats(timeout=10)
    assert report.unknown == 1000
    assert list(report.rooms) == ["main"]
    feed[0].send(packet(0).pack())
    await hear(ear, packet(0))
    await client.close()


async def test_a_start_that_fails_says_so(
    media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    client = BroadcastClient()
    with pytest.raises(ProcessError, match="did not start"):
        await client.start([media_socket])
    assert not client.alive


async def test_the_supervisor_brings_rooms_back_and_not_listeners(
    media_socket: socket.socket, feed: tuple[socket.socket, socket.socket], listening: Make
) -> None:
    lost, restarted = asyncio.Event(), asyncio.Event()
    supervisor = BroadcastSupervisor([media_socket], on_lost=lost.set, on_restarted=restarted.set)
    await supervisor.start()
    supervisor.add_feed("main", feed[1], FRAME, later)
    first = supervisor.client
    assert first is not None
    assert first.pid is not None
    before, after = listening(1), listening(2)
    first.add_listener(before.spec)
    await first.fetch_stats()
    feed[0].send(packet(0).pack())
    await hear(before, packet(0))
    os.kill(first.pid, signal.SIGKILL)
    await asyncio.wait_for(lost.wait(), 10)
    before.drain()
    await asyncio.wait_for(restarted.wait(), 10)
    second = supervisor.client
    assert second is not None
    assert supervisor.restarts == 1
    assert second.pid != first.pid
    second.add_listener(after.spec)
    report = await second.fetch_stats()
    assert (report.totals.listeners, list(report.rooms)) == (1, ["main"])
    feed[0].send(packet(100).pack())
    await hear(after, packet(100))
    assert before.drain() == []
    await supervisor.close()
    await supervisor.close()
    assert not second.alive

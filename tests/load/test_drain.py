"""Taking datagrams out of real sockets, many a call, sorted into RTP, others and strangers'."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from rtcserver.load.drain import SLOTS, Drain, socket_drops, stamp
from rtcserver.load.dtls import ClientContext
from rtcserver.load.peer import LoadPeer
from rtcserver.load.stream import Stream
from rtcserver.load.waiter import SLOTS as WAITER_SLOTS
from rtcserver.load.waiter import Waiter


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A sender and a receiver on loopback."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        sender.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        yield sender, receiver


def rtp(sequence: int, timestamp: int = 0) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence, timestamp, 7) + bytes(50)


STUN, RTCP, DTLS = b"\x00\x01" + bytes(18), b"\x80\xc8" + bytes(26), b"\x16\xfe\xfd" + bytes(20)


def test_rtp_is_counted_and_the_rest_handed_back(sockets: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = sockets
    for datagram in (rtp(7, 960), STUN, rtp(8, 1920), DTLS, RTCP, rtp(9, 2880), b""):
        sender.send(datagram)
    stream = Stream()
    batch, others, more = Drain().take(receiver, sender.getsockname()[1], stream)
    assert batch is not None
    assert batch.sequences.tolist() == [7, 8, 9]
    assert batch.timestamps.tolist() == [960, 1920, 2880]
    assert batch.rows[2, : batch.lengths[2]].tobytes() == rtp(9, 2880)
    assert others[:3] == [STUN, DTLS, RTCP]
    assert (stream.received, stream.timestamp, more) == (3, 2880, False)


def test_strangers_are_only_counted(sockets: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = sockets
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(rtp(500), receiver.getsockname())
        stranger.sendto(STUN, receiver.getsockname())
    sender.send(rtp(1))
    stream, drain = Stream(), Drain()
    batch, others, _ = drain.take(receiver, sender.getsockname()[1], stream)
    assert batch is not None
    assert (batch.sequences.tolist(), others, drain.strangers) == ([1], [], 2)


def test_a_full_arena_says_that_more_may_wait(sockets: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = sockets
    for sequence in range(SLOTS + 3):
        sender.send(rtp(sequence))
    stream, drain, port = Stream(), Drain(), sender.getsockname()[1]
    assert drain.take(receiver, port, stream)[2]
    assert not drain.take(receiver, port, stream)[2]
    assert (stream.received, stream.gaps) == (SLOTS + 3, 0)


def test_kernel_timestamps_lie_between_sending_and_draining(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = sockets
    stamp(receiver)
    for _ in range(100):
        before = time.time_ns()
        sender.send(rtp(1))
        sender.send(STUN)
        sender.send(rtp(2))
        after = time.time_ns()
        batch, _, _ = Drain(timestamps=True).take(receiver, sender.getsockname()[1], Stream())
        assert batch is not None
        assert batch.arrived_ns is not None
        if batch.arrived_ns[1] <= after:
            break
        # The kernel turns timestamps on a little later; until then it says when a datagram was read.
        time.sleep(0.01)
    assert before <= batch.arrived_ns[0] <= batch.arrived_ns[1] <= after


def test_a_full_socket_is_told_from_a_lossy_server(sockets: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = sockets
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for sequence in range(50):
        sender.send(rtp(sequence))
    stream = Stream()
    Drain().take(receiver, sender.getsockname()[1], stream)
    assert 0 < stream.received < 50
    assert socket_drops(receiver) == 50 - stream.received


async def test_a_waiting_listener_knows_what_came_before_it_looks() -> None:
    """Its thread stays in one system call; the counts are right all the same."""
    peer = LoadPeer(ClientContext())
    peer.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.sock.bind(("127.0.0.1", 0))
    waiter = Waiter(peer, asyncio.get_running_loop(), capture=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(peer.sock.getsockname())
        peer.port = sender.getsockname()[1]
        waiter.start()
        total = WAITER_SLOTS + 5
        for sequence in range(total):
            sender.send(rtp(sequence))
        async with asyncio.timeout(5):
            while waiter.stream().received < total:  # noqa: ASYNC110 -- another thread's state
                await asyncio.sleep(0.01)
        assert waiter.stream().gaps == 0
        await peer.leave()

"""TCP connections that carry media, or pretend to: each leaves the bystander's sound as it is, and somebody new can join."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from rtcserver.config.load import defaults
from rtcserver.transport.framing import MAX_FRAME, Deframer, framed
from tests.hostile.intruder import Intruder, address
from tests.hostile.scene import Scene
from tests.transport.hostile import HELLO, RTP
from tests.transport.stock import WAIT_S

PER_ADDRESS = defaults()["max_media_connections_per_address"]


class StreamIntruder(Intruder):
    """An intruder whose packets go by TCP, to the port of HTTP."""

    def dial(self) -> None:
        """Be on a connection from now on."""
        self.socket.close()
        self.socket = socket.create_connection(("127.0.0.1", self.port), WAIT_S, (self.source, 0))
        self.socket.setblocking(False)
        self._deframer = Deframer()
        self._packets: list[bytes] = []

    def send(self, data: bytes) -> None:
        # What a full connection does not take is lost, as it is with datagrams.
        with contextlib.suppress(OSError):
            self.socket.send(framed(data))

    async def receive(self) -> bytes:
        loop = asyncio.get_running_loop()
        while not self._packets:
            data = await asyncio.wait_for(loop.sock_recv(self.socket, 65_536), WAIT_S)
            if not data:
                raise ConnectionResetError
            self._packets += self._deframer.feed(data)
        return self._packets.pop(0)


@asynccontextmanager
async def joined(port: int) -> AsyncIterator[StreamIntruder]:
    """A session that is connected by TCP, and deleted at the end."""
    found = await StreamIntruder.join(port, data=False)
    assert isinstance(found, StreamIntruder)
    try:
        found.dial()
        await found.connect()
        yield found
    finally:
        await found.leave()


async def opened(port: int, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))


async def never_reads(port: int) -> None:
    """The room's packets fill the connection; checks keep the session."""
    async with joined(port) as client:
        for _ in range(20):
            client.send(client.check())
            await asyncio.sleep(0.1)


async def floods(port: int) -> None:
    """Checks as fast as the connection takes them."""
    async with joined(port) as client:
        client.socket.setblocking(True)
        client.socket.settimeout(0.5)
        flood = framed(client.check()) * 50

        def fill() -> None:
            with contextlib.suppress(OSError):
                for _ in range(200):
                    client.socket.sendall(flood)

        await asyncio.to_thread(fill)


async def tears(port: int) -> None:
    """Connections that end in the middle of a packet, one after the other, of one session."""
    async with joined(port) as client:
        for _ in range(30):
            client.dial()
            with contextlib.suppress(OSError):
                client.socket.send(framed(client.check()) + framed(RTP)[:-3])
                await asyncio.sleep(0.01)


async def overlong(port: int) -> None:
    async with joined(port) as client:
        client.socket.send((MAX_FRAME + 1).to_bytes(2) + bytes(MAX_FRAME))
        with contextlib.suppress(ConnectionError):
            while True:
                await client.receive()


async def garbage(port: int) -> None:
    """Frames that are no STUN, from one address: each connection is closed at the first."""
    source = address()
    for packet in (HELLO, RTP, b"", b"\x40" * 100, bytes(3)) * 10:
        reader, writer = await opened(port, source)
        writer.write(framed(packet) * 20)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        writer.close()


async def half_open(port: int) -> None:
    """More connections of one address than it may have, which begin a packet and say no more."""
    source = address()
    ends = []
    for _ in range(PER_ADDRESS + 10):
        reader, writer = await opened(port, source)
        writer.write(framed(bytes(20))[:5])
        ends.append((reader, writer))
    closed = [asyncio.ensure_future(reader.read()) for reader, _ in ends]
    done: set[asyncio.Future[bytes]] = set()
    async with asyncio.timeout(WAIT_S):
        while len(done) < 10:
            done, _ = await asyncio.wait(closed, timeout=0.1)
    assert len(done) == 10
    for each in closed:
        each.cancel()
    for _, writer in ends:
        writer.close()


@pytest.mark.parametrize(
    "attack", [never_reads, floods, tears, overlong, garbage, half_open], ids=lambda attack: attack.__name__
)
async def test_a_stream(scene: Scene, attack: Callable[[int], Awaitable[None]]) -> None:
    faults = scene.faults()
    with scene.undisturbed():
        await attack(scene.port)
        async with joined(scene.port) as newcomer:
            newcomer.send(newcomer.report())
            assert await newcomer.receive()
    assert scene.faults() == faults

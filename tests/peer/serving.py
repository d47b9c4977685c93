"""A one-port backend whose broadcast engine is in the test's own process."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.encode.packet import EncodedPacket
from rtcserver.peer.oneport import OnePortBackend
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.peer.state import State
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from tests.transport.stock import until


class InThisProcess:
    """A `BroadcastOwner` and `Broadcast` whose engine runs here, so that a test sends when it wants."""

    def __init__(self, backend: OnePortBackend) -> None:
        self.engine = BroadcastEngine(backend.endpoint.send_sockets())
        self.client: InThisProcess | None = None
        self.spare_wanted = False
        self.anchored: list[str] = []
        self.unread_ns = 0
        self.set_address = self.engine.set_address
        self.set_kind = self.engine.set_kind
        self.set_copied = self.engine.set_copied
        self.nack = self.engine.nack
        self.listener_stats = self.engine.counters
        self.add_listener = self.engine.add
        self.remove_listener = self.engine.remove
        self.send_stream = self.engine.streams.send
        self.remove_stream = self.engine.streams.remove

    reading = False
    """It reads no checks."""

    def keep(self, number: int, check: object) -> None:
        raise AssertionError("nobody asked for checks")

    def drop(self, number: int) -> None:
        raise AssertionError("nobody asked for checks")

    def add_stream(self, number: int, sock: socket.socket, rest: bytes, unsent_bytes: int) -> None:
        # A descriptor of its own, as another process has.
        self.engine.streams.add(number, sock.dup(), rest, unsent_bytes)

    async def start(self) -> None:
        self.client = self

    async def close(self) -> None:
        self.client = None

    async def serving(self, timeout_s: float) -> bool:
        return self.client is not None

    def tell_anchor(self, room: str) -> None:
        self.anchored.append(room)

    def keep_spare(self, wanted: bool) -> None:
        self.spare_wanted = wanted

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> None:
        """The engine's counters are always fresh here."""


class Server:
    """A backend whose broadcast engine is in this process."""

    def __init__(self, **options: Any) -> None:
        self.endpoint = MediaEndpoint(EndpointConfig(host="127.0.0.1", tcp=True, half_open_ns=5_000_000_000))
        self.backend = OnePortBackend(self.endpoint, **{"own_broadcast": InThisProcess, **options})
        self.media_time = 2**32 - 960

    @property
    def engine(self) -> BroadcastEngine:
        owner = self.backend.broadcast
        assert isinstance(owner, InThisProcess)
        return owner.engine

    def play(self, packets: int) -> list[bytes]:
        """Send packets to the room; returns their payloads."""
        payloads = [bytes([n]) * 60 for n in range(packets)]
        for payload in payloads:
            self.engine.send("main", EncodedPacket(self.media_time, 480, 1, 0, payload))
            self.media_time += 480
        return payloads


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
    await server.backend.start()
    try:
        yield server
    finally:
        await server.backend.close()


async def lose_broadcast(server: Server, session: OnePortSession) -> None:
    """Kill the server's broadcast process, and wait until the session has ended with it."""
    owner = server.backend._owner
    assert isinstance(owner, BroadcastSupervisor)
    assert owner.pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    await until(lambda: session.state is State.CLOSED)
    assert session.close_reason == "broadcast-lost"

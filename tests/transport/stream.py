"""A raw client on TCP, and pairs of connected TCP sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from rtcserver.transport.address import Path
from rtcserver.transport.endpoint import MediaEndpoint
from rtcserver.transport.framing import Deframer, framed
from tests.transport.raw import RawClient
from tests.transport.stock import WAIT_S


def tcp_pair(receive_buffer: int = 0) -> tuple[socket.socket, socket.socket]:
    """A connection: our end, not blocking, and the other one, which waits `WAIT_S`. receive_buffer: its, in bytes."""
    with socket.socket() as listening:
        if receive_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    theirs.settimeout(WAIT_S)
    ours.setblocking(False)
    return ours, theirs


def packets_of(sock: socket.socket, count: int, deframer: Deframer | None = None) -> list[bytes]:
    """At least `count` packets from the reading end."""
    deframer = deframer or Deframer()
    found: list[bytes] = []
    while len(found) < count:
        data = sock.recv(65_536)
        assert data, f"the stream ended after {len(found)} of {count} packets"
        found += deframer.feed(data)
    assert not deframer.broken
    return found


class StreamClient(RawClient):
    """A raw client of an endpoint in this process whose packets go by TCP."""

    def __init__(self, endpoint: MediaEndpoint, *, data: bool = True, source: str = "127.0.0.1") -> None:
        super().__init__(endpoint, data=data)
        self._source = source
        self._deframer = Deframer()
        self._packets: list[bytes] = []
        self.dial()

    def dial(self, *, keep: bool = False) -> socket.socket:
        """Connect, with another socket, and return the one of before: closed, unless it is kept."""
        before = self.socket
        if not keep:
            before.close()
        self.socket = socket.create_connection(
            ("127.0.0.1", self.endpoint.tcp_port), WAIT_S, (self._source, 0)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._deframer = Deframer()
        self._packets.clear()
        return before

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self.raw(framed(data))

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.socket.sendall(data)

    async def receive(self) -> bytes:
        loop = asyncio.get_running_loop()
        while not self._packets:
            data = await asyncio.wait_for(loop.sock_recv(self.socket, 65_536), WAIT_S)
            if not data:
                raise ConnectionResetError("the server has closed the stream")
            self._packets += self._deframer.feed(data)
        return self._packets.pop(0)

    async def ended(self) -> bool:
        """Wait until the server has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self.receive()
        return True


def path_of(endpoint: MediaEndpoint, client: StreamClient) -> Path:
    """The path that the server has chosen for a client."""
    assert client.server.path is not None
    return client.server.path

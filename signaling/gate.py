"""The gate of the HTTP port: each connection passes it once, and the heads of its requests are measured there.

aiohttp bounds each header and their number; what all of them hold in memory, times all connections, it does not.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from rtcserver.access.address import client_of
from rtcserver.access.admission import Admission
from rtcserver.errors import PeerError
from rtcserver.transport.framing import is_framed

Media = Callable[[socket.socket, bytes], None]
LINGER_S = 0.5
_END = b"\r\n\r\n"


class Doorkeeper:
    """Counts connections, in all and by client. Loop-bound.

    admission: says whether there is room for one more. max_header_bytes: of a request's line and headers. media: takes a
    connection that begins with a packet of media, and what it has said; None if they do not come here.
    """

    def __init__(self, admission: Admission, max_header_bytes: int, media: Media | None = None) -> None:
        self.media = media
        self.open = 0
        """Connections that were let in and have not ended."""
        self.refused = 0
        """Connections refused since there are too many."""
        self.max_header_bytes = max_header_bytes
        self._admission = admission
        self._by_client: Counter[str] = Counter()

    def enter(self, address: str) -> str:
        """Count one more connection from `address`; returns the client to `leave` as. Raises PeerError."""
        client = client_of(address)
        try:
            self._admission.connection(self.open, self._by_client[client], address)
        except PeerError:
            self.refused += 1
            raise
        finally:
            if not self._by_client[client]:
                del self._by_client[client]
        self.open += 1
        self._by_client[client] += 1
        return client

    def leave(self, client: str) -> None:
        """One connection of this client has ended."""
        self.open -= 1
        self._by_client[client] -= 1
        if self._by_client[client] <= 0:
            del self._by_client[client]


class Gate(asyncio.Protocol):
    """One connection: let in, or told why not and closed. inner: makes the protocol that serves it."""

    def __init__(self, keeper: Doorkeeper, inner: Callable[[], asyncio.Protocol]) -> None:
        self._keeper = keeper
        self._make = inner
        self._inner: asyncio.Protocol | None = None
        self._client: str | None = None
        self._transport: asyncio.Transport | None = None
        self._begun = False
        """Whether it has said anything."""
        self._head_bytes = 0
        self._last = b""
        self._serving = False
        """Whether a request is being served: what comes meanwhile is its body."""
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        try:
            self._client = self._keeper.enter(_address(transport))
        except PeerError as error:
            self._refuse(error)
            return
        self._inner = self._make()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        inner = self._inner
        if inner is None or self._refused:
            return
        if not self._begun:
            self._begun = True
            if self._keeper.media is not None and is_framed(data):
                self._hand_over(data, self._keeper.media)
                return
        if not self._serving:
            joined = self._last + data
            at = joined.find(_END)
            self._head_bytes += len(data) if at < 0 else max(0, at - len(self._last))
            if self._head_bytes > self._keeper.max_header_bytes:
                self._refuse(
                    PeerError(
                        431,
                        "headers_too_large",
                        f"The headers of this request have more than {self._keeper.max_header_bytes} bytes.",
                    ),
                    LINGER_S,
                )
                return
            self._last = joined[-3:]
            if at >= 0:
                self._serving = True
        inner.data_received(data)

    def _hand_over(self, data: bytes, media: Media) -> None:
        """Leave the connection to media, by another descriptor of it; aiohttp's is closed without a word."""
        assert self._transport is not None
        self._refused = True
        try:
            sock = self._transport.get_extra_info("socket").dup()
        except OSError:  # out of descriptors
            self._transport.abort()
            return
        self._transport.abort()
        media(sock, data)

    def serves(self) -> None:
        """A request is being served: what comes now is its body."""
        self._serving = True

    def served(self) -> None:
        """A request has its answer: what comes next is another one's head."""
        self._serving = False
        self._head_bytes, self._last = 0, b""

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._client is not None:
            self._keeper.leave(self._client)
            self._client = None
        if self._inner is not None:
            self._inner.connection_lost(exc)
            self._inner = None

    def _refuse(self, error: PeerError, linger_s: float = 0.0) -> None:
        """Say why, and hang up after `linger_s`: who is still sending would not get to read it (RFC 9112, section 9.6)."""
        assert self._transport is not None
        self._refused = True
        body = json.dumps({"error": error.code, "message": str(error)})
        again = "" if error.retry_after_s is None else f"Retry-After: {error.retry_after_s}\r\n"
        self._transport.write(
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            f"{again}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )
        if linger_s:
            asyncio.get_running_loop().call_later(linger_s, self._transport.close)
        else:
            self._transport.close()


def _address(transport: asyncio.BaseTransport) -> str:
    """The IP address of a connection's other end; "" if unknown."""
    name = transport.get_extra_info("peername")
    return str(name[0]).partition("%")[0] if isinstance(name, tuple) and name else ""


@web.middleware
async def tell_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the gate of a request's connection that it is served. The first of all middlewares."""
    transport = request.transport
    gate = None if transport is None else transport.get_protocol()
    if not isinstance(gate, Gate):
        return await handler(request)
    gate.serves()
    try:
        return await handler(request)
    finally:
        # The rest of a body that nobody wanted is still to come, and is no head.
        if request.content.is_eof():
            gate.served()

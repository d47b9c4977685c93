"""The HTTPS port as people reach it: TLS is served, and whoever speaks plain HTTP there is shown the way.

The first byte of a connection tells which it is: 22 begins a TLS handshake (RFC 8446, section 5.1), a letter a request
line, 0 to 5 a packet of media (`rtcserver.transport.framing`). It is only looked at, not taken, so that the connection goes
on untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import cast

from rtcserver.access.address import client_of
from rtcserver.transport.framing import is_framed
from signaling.gate import Media
from signaling.headers import host_of
from signaling.limits import BACKLOG

log = logging.getLogger(__name__)

FIRST_BYTE_S = 10.0
"""How long a connection may say nothing."""
HANDSHAKE_S = 10.0
MAX_WAITING = 512
"""Connections that have not said their first byte or are in their handshake. When one more comes, the oldest goes of the
client that has most of them."""
MAX_REQUEST = 8192
_HANDSHAKE = 22
_REQUEST = re.compile(rb"(GET|HEAD) (/[!-~]{0,2000}) HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*([!-~]{1,255})[ \t]*\r\n", re.IGNORECASE)
_ACCEPT_AGAIN_S = 1.0


class TlsPort:
    """Accepts on one listening socket. `start` on the loop that serves; `close` stops, open connections stay.

    factory: makes the protocol of a TLS connection. media: takes connections for media, if they come here.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        factory: Callable[[], asyncio.Protocol],
        media: Media | None = None,
    ) -> None:
        self._media = media
        self._sock = sock
        self._context = context
        self._factory = factory
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Task[None], str] = {}
        """What waits, the oldest first, and whose it is."""

    def start(self) -> None:
        """Begin to listen."""
        self._sock.listen(BACKLOG)
        self._task = asyncio.create_task(self._accept(), name="tls-accept")

    async def close(self) -> None:
        """Accept no more, and end what has not said its first byte. Idempotent."""
        tasks = [task for task in (self._task, *self._waiting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._sock)
            except OSError as error:
                # Out of descriptors, as a rule: what is open goes on, and ends.
                log.warning("cannot take a connection: %s", error.strerror)
                await asyncio.sleep(_ACCEPT_AGAIN_S)
                continue
            while len(self._waiting) >= MAX_WAITING:
                ((most, _),) = Counter(self._waiting.values()).most_common(1)
                oldest = next(task for task, client in self._waiting.items() if client == most)
                del self._waiting[oldest]
                oldest.cancel()
            task = asyncio.create_task(self._greet(connection))
            self._waiting[task] = client_of(str(address[0]))
            task.add_done_callback(lambda done: self._waiting.pop(done, None))

    async def _greet(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FIRST_BYTE_S):
                await _readable(connection)
                first = connection.recv(1, socket.MSG_PEEK)
        except (TimeoutError, OSError, asyncio.CancelledError):
            connection.close()
            return
        if not first:
            connection.close()
            return
        if self._media is not None and is_framed(first):
            self._media(connection, b"")
            return
        context = self._context if first[0] == _HANDSHAKE else None
        make: Callable[[], asyncio.Protocol] = PlainHttp if context is None else self._factory
        with contextlib.suppress(OSError, TimeoutError):
            await loop.connect_accepted_socket(
                make,
                connection,
                ssl=context,
                ssl_handshake_timeout=None if context is None else HANDSHAKE_S,
            )


class PlainHttp(asyncio.Protocol):
    """Answers one plain request on the HTTPS port: with the page's right address, or with a sentence."""

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(FIRST_BYTE_S, transport.close)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\r\n\r\n" in self._data or len(self._data) > MAX_REQUEST:
            self._answer()

    def eof_received(self) -> None:
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _answer(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(answer(self._data))
        self._transport.close()


def answer(request: bytes) -> bytes:
    """What a plain HTTP request on the HTTPS port is told. Pure.

    308 to the same address with https for a page that is asked for by a host that can be named; else 400.
    """
    line, host = _REQUEST.match(request), _HOST.search(request)
    name = host[1].decode("ascii") if host is not None else ""
    sentence = "This port speaks HTTPS. Write https:// instead of http:// before the address.\n"
    if line is not None and host_of(name):
        head = f"308 Permanent Redirect\r\nLocation: https://{name}{line[2].decode('ascii')}"
    else:
        head = "400 Bad Request"
    return (
        f"HTTP/1.1 {head}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(sentence)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n\r\n{sentence}"
    ).encode("ascii")


async def _readable(sock: socket.socket) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock)

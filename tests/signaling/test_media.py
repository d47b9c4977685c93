"""Media connections on the port of HTTP: told by their first byte, handed over untouched, and HTTP is served as before."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from rtcserver.access.admission import Admission, Places
from rtcserver.transport.framing import framed
from signaling.serve import HttpServer
from signaling.tls import AutomaticCertificate
from tests.signaling.test_authority import NOW
from tests.signaling.test_tls_port import plain
from tests.transport.stock import until

PACKET = framed(b"\0\1" + bytes(30))
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Taken:
    """What is handed over: the connection, and what was read of it."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[tuple[socket.socket, bytes]] = asyncio.Queue()

    def __call__(self, sock: socket.socket, data: bytes) -> None:
        self.connections.put_nowait((sock, data))

    async def one(self) -> tuple[socket.socket, bytes]:
        return await asyncio.wait_for(self.connections.get(), 5)


@asynccontextmanager
async def served(
    taken: Taken | None, tls: Path | None = None, places: Places | None = None
) -> AsyncIterator[tuple[HttpServer, int]]:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    server = HttpServer(app, admission=Admission(places), media=taken)
    context = None if tls is None else AutomaticCertificate(tls, lambda: ["127.0.0.1"], NOW).context
    number = await server.start("127.0.0.1", tls=context)
    try:
        yield server, number
    finally:
        await server.close()


@pytest.mark.parametrize("with_tls", [False, True])
async def test_a_framed_stream_is_handed_over_and_goes_on(tmp_path: Path, with_tls: bool) -> None:
    taken = Taken()
    async with served(taken, tmp_path if with_tls else None) as (server, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(PACKET)
        sock, data = await taken.one()
        # With TLS the first byte was only looked at; without it, what was read comes along.
        assert data == (b"" if with_tls else PACKET)
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        if with_tls:
            assert await asyncio.wait_for(loop.sock_recv(sock, 100), 5) == PACKET
        writer.write(b"more")
        assert await asyncio.wait_for(loop.sock_recv(sock, 100), 5) == b"more"
        await loop.sock_sendall(sock, b"an answer")
        assert await asyncio.wait_for(reader.readexactly(9), 5) == b"an answer"
        assert server.connections == 0, "it is no connection of HTTP any more"
        sock.close()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_http_is_served_beside_it(tmp_path: Path) -> None:
    async with served(Taken()) as (_, number):
        assert (await plain(number, GET)).endswith(b"hello")
        # A request whose first bytes come alone is one all the same.
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        for part in (GET[:1], GET[1:5], GET[5:]):
            writer.write(part)
            await writer.drain()
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"hello")
        writer.close()
    async with served(Taken(), tmp_path) as (_, number):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", number, ssl=context)
        writer.write(GET)
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"hello")
        writer.close()


async def test_where_media_does_not_come_such_bytes_are_malformed_http() -> None:
    async with served(None) as (_, number):
        assert b" 400 " in await plain(number, PACKET + b"\r\n\r\n")


async def test_a_request_that_begins_like_media_in_its_second_line_stays_one() -> None:
    taken = Taken()
    async with served(taken) as (_, number):
        body = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(body)
        await writer.drain()
        writer.write(b"\0\1\2")
        assert b"405" in await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert taken.connections.empty()


async def test_connections_of_http_that_are_too_many_are_refused_before_they_are_looked_at() -> None:
    taken = Taken()
    async with served(taken, places=Places(connections=1)) as (server, number):
        first = await asyncio.open_connection("127.0.0.1", number)
        await until(lambda: server.connections == 1)
        assert b"503" in await plain(number, PACKET)
        assert taken.connections.empty()
        first[1].close()

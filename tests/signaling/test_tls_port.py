"""The HTTPS port: TLS is served, plain HTTP is shown the way, and silence costs nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from signaling import tls_port
from signaling.tls import AutomaticCertificate
from signaling.tls_port import TlsPort, answer
from tests.signaling.test_authority import NOW


class Hello(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]
        transport.close()


@asynccontextmanager
async def port(folder: Path) -> AsyncIterator[int]:
    context = AutomaticCertificate(folder, lambda: ["127.0.0.1"], NOW).context
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    served = TlsPort(sock, context, Hello)
    served.start()
    try:
        yield sock.getsockname()[1]
    finally:
        await served.close()


async def secure(number: int) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", number, ssl=context)
    said = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return said


async def plain(number: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(request)
    said = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return said


async def test_tls_is_served_and_plain_http_is_shown_the_way(tmp_path: Path) -> None:
    async with port(tmp_path) as number:
        assert await secure(number) == b"hello"
        said = await plain(number, b"GET /r/main?listen HTTP/1.1\r\nHost: studio.local:8443\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 308 ")
        assert b"\r\nLocation: https://studio.local:8443/r/main?listen\r\n" in said
        assert await secure(number) == b"hello"


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /r/main/whep HTTP/1.1\r\nHost: studio.local\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil/x\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: studio.local\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: studio.local\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00" * tls_port.MAX_REQUEST + b"\x00",
        b"",
    ],
)
def test_what_cannot_be_sent_on_gets_a_sentence(request_: bytes) -> None:
    said = answer(request_)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"Location" not in said
    assert b"speaks HTTPS" in said


def test_a_redirect_stays_on_the_host() -> None:
    said = answer(b"GET //evil.example/x HTTP/1.1\r\nHost: studio.local\r\n\r\n")
    assert b"\r\nLocation: https://studio.local//evil.example/x\r\n" in said


async def test_who_holds_most_connections_open_has_to_let_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_port, "MAX_WAITING", 4)
    async with port(tmp_path) as number:
        patient = await asyncio.open_connection("127.0.0.1", number, local_addr=("127.0.0.2", 0))
        crowd = [await asyncio.open_connection("127.0.0.1", number) for _ in range(9)]
        for reader, _ in crowd[:6]:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        patient[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(patient[0].read(), 5)).startswith(b"HTTP/1.1 308 ")
        for _, writer in (patient, *crowd):
            writer.close()


async def test_connections_that_say_nothing_are_bounded_in_number_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_port, "MAX_WAITING", 3)
    async with port(tmp_path) as number:
        silent = [await asyncio.open_connection("127.0.0.1", number) for _ in range(5)]
        # The oldest two had to go, and others are served all the same.
        for reader, _ in silent[:2]:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        assert await secure(number) == b"hello"
        monkeypatch.setattr(tls_port, "FIRST_BYTE_S", 0.1)
        reader, _ = await asyncio.open_connection("127.0.0.1", number)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        for _, writer in silent:
            writer.close()

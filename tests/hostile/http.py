"""HTTP by hand: bytes as they are, from any address of this machine."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

WAIT_S = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 if the connection was closed without one. headers: by their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(method: str, path: str, body: bytes = b"", *, host: str = "127.0.0.1", **headers: str) -> bytes:
    """The bytes of a request on a connection of its own. headers: ``content_type`` for ``Content-Type``."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    if body or method in ("POST", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def _anybody() -> ssl.SSLContext:
    """TLS with a server that is not asked who it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def exchange(port: int, data: bytes, source: str = "127.0.0.1", *, tls: bool = False) -> Answer:
    """Send bytes to the server, and read what it says until it closes the connection, or for `WAIT_S`."""
    context = _anybody() if tls else None
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), ssl=context)
        try:
            writer.write(data)
            said = await reader.read(1 << 20)
            while not _is_whole(said):
                more = await reader.read(1 << 20)
                if not more:
                    break
                said += more
        except ConnectionError:
            said = b""
        finally:
            writer.close()
    return _parsed(said)


def _parsed(said: bytes) -> Answer:
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) < 2 or not words[1].isdigit():
        return Answer(0, {}, said)
    fields = [line.partition(":") for line in lines[1:]]
    return Answer(int(words[1]), {name.lower(): value.strip() for name, _, value in fields}, body)


def _is_whole(said: bytes) -> bool:
    answer = _parsed(said)
    length = answer.headers.get("content-length", "")
    return length.isdigit() and len(answer.body) >= int(length)

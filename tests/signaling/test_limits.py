"""What one client may ask for: beyond it there is an answer that names the limit, and others are served as before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rtcserver.access.admission import Places
from rtcserver.access.door import Action, Door, Grant
from signaling.limits import Limits
from tests.sdp import offers
from tests.signaling.served import Served, raw, serve, until

HERE = "127.0.0.0/8"
OPEN = Door(dict.fromkeys(Action, lambda request, now_s: Grant()))
"""Everybody may do everything."""


@asynccontextmanager
async def behind_proxy(static: Path, places: Places) -> AsyncIterator[Served]:
    """Served to clients that a proxy on this machine names."""
    async with serve(static, places=places, trusted_proxies=[HERE], door=OPEN) as served:
        yield served


async def post(served: Served, client: str, body: str | None = None) -> tuple[int, str, str]:
    """Status, ``Retry-After`` and code of an offer from `client`."""
    headers = {"X-Forwarded-For": client}
    async with served.post("/r/main/whep", body or offers.small(), headers=headers) as response:
        error = "" if response.status == 201 else (await response.json())["error"]
        return response.status, response.headers.get("Retry-After", ""), error


async def test_offers_are_bounded_by_address_whatever_becomes_of_them(static: Path) -> None:
    async with behind_proxy(static, Places(offers_per_minute=3)) as served:
        assert (await post(served, "203.0.113.5"))[0] == 201
        assert (await post(served, "203.0.113.5", "nonsense"))[0] == 400
        assert (await post(served, "203.0.113.5", "nonsense"))[0] == 400
        assert await post(served, "203.0.113.5") == (429, "20", "too_often")
        assert (await post(served, "203.0.113.6"))[0] == 201


async def test_a_household_counts_as_one_by_its_64(static: Path) -> None:
    async with behind_proxy(static, Places(offers_per_minute=1)) as served:
        assert (await post(served, "2001:db8:5:6::1"))[0] == 201
        assert (await post(served, "2001:db8:5:6:ffff::9"))[0] == 429
        assert (await post(served, "2001:db8:5:7::1"))[0] == 201


async def test_shared_addresses_have_no_rate(static: Path) -> None:
    places = Places(offers_per_minute=1, requests_per_minute=60, shared_addresses=("203.0.113.0/24",))
    async with behind_proxy(static, places) as served:
        for _ in range(5):
            assert (await post(served, "203.0.113.5"))[0] == 201


async def test_requests_are_bounded_and_pages_say_so_in_words(static: Path) -> None:
    async with serve(static, places=Places(requests_per_minute=60)) as served:
        statuses = []
        for _ in range(61):
            async with served.http.get(served.url("/healthz")) as response:
                statuses.append(response.status)
        assert statuses == [200] * 60 + [429]
        async with served.http.get(served.url("/r/main"), headers={"Accept": "text/html"}) as response:
            assert response.status == 429
            assert "60 a minute are allowed" in await response.text()
            assert response.headers["Retry-After"] == "1"


async def test_one_address_may_not_take_all_connections(static: Path) -> None:
    async with serve(static, places=Places(connections_per_address=3)) as served:
        held = [await raw(served.port, b"GET / HT") for _ in range(3)]
        await until(lambda: served.server.connections == 3)
        reader, writer = await raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n")
        assert b"Your address has 3 connections open; it may have 3." in answer
        writer.close()
        held[0][1].close()
        await until(lambda: served.server.connections == 2)
        async with served.http.get(served.url("/healthz")) as response:
            assert response.status == 200
        for _, held_writer in held:
            held_writer.close()
    assert served.server.connections == 0


def head(size: int) -> bytes:
    """A request head of `size` bytes in lines that are each short enough."""
    begin = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    lines = b""
    number = 0
    while len(begin + lines) + 2 + 1100 < size:
        lines += b"X-%d: " % number + b"y" * 1000 + b"\r\n"
        number += 1
    rest = size - len(begin + lines) - 2
    return begin + lines + b"X-Last: " + b"y" * (rest - 10) + b"\r\n\r\n"


@pytest.mark.parametrize("piece", [1 << 20, 1000, 7])
async def test_heads_are_bounded_as_a_whole(static: Path, piece: int) -> None:
    async with serve(static, limits=Limits(max_header_bytes=8000)) as served:
        for size, begins in (
            (7990, b"HTTP/1.1 200 "),
            (8100, b"HTTP/1.1 431 Request Header Fields Too Large\r\n"),
        ):
            reader, writer = await raw(served.port, b"")
            sent = head(size)
            assert len(sent) == size
            for at in range(0, size, piece):
                writer.write(sent[at : at + piece])
                if piece < 1000:
                    await asyncio.sleep(0)
            answer = await asyncio.wait_for(reader.read(300), 10)
            assert answer.startswith(begins)
            writer.close()
        await until(lambda: served.server.connections == 0)


async def test_a_connection_may_have_many_requests_with_heads_and_bodies(static: Path) -> None:
    """What was counted of one request is not held against the next, nor is a body taken for a head."""
    async with serve(static, limits=Limits(max_header_bytes=2048)) as served:
        reader, writer = await raw(served.port, b"")

        async def answer() -> bytes:
            said = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            size = next(line for line in said.split(b"\r\n") if line.startswith(b"Content-Length: "))
            await reader.readexactly(int(size.split()[1]))
            return said

        for _ in range(10):
            writer.write(head(1500))
            assert (await answer()).startswith(b"HTTP/1.1 200 ")
            body = "v=0\r\n" + "a=x\r\n" * 4000
            writer.write(
                b"POST /r/main/whep HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            assert (await answer()).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_a_body_that_nobody_wants_is_not_taken_for_a_head(static: Path) -> None:
    async with serve(static, limits=Limits(max_header_bytes=2048)) as served:
        request = b"POST /r/main/whep HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 200000\r\n\r\n"
        reader, writer = await raw(served.port, request)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        for _ in range(100):
            writer.write(bytes(1000))
            await asyncio.sleep(0)
        rest = await asyncio.wait_for(reader.read(), 10)
        assert b"HTTP/1.1" not in rest
        assert json.loads(rest)["error"] == "too_large"
        writer.close()


class Takes:
    """An instrument that takes every file."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def sounds(self, room: str) -> dict[str, Any]:
        return {}

    async def upload(self, room: str, title: str, data: bytes) -> dict[str, Any]:
        self.taken.append(len(data))
        return {"file": "x", "name": title, "duration_s": 1.0}


async def test_files_are_bounded_in_size_and_in_their_number_a_minute(static: Path) -> None:
    takes = Takes()
    places = Places(uploads_per_minute=3)
    async with serve(
        static, places=places, limits=Limits(max_upload_bytes=5000), instruments=takes, door=OPEN
    ) as served:
        statuses = []
        for size in (5000, 5001, 10, 10):
            async with served.post("/api/rooms/main/files", bytes(size), "audio/midi") as response:
                statuses.append((response.status, response.headers.get("Retry-After")))
                message = (await response.json()).get("message", "")
        assert statuses == [(201, None), (413, None), (201, None), (429, "20")]
        assert message == (
            "These are too many uploads from your address: 3 a minute are allowed. Come again in 20 s."
        )
        assert takes.taken == [5000, 10]

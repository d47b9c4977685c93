"""Clients that are slow, many, rude or unlucky: bounded, answered, and without a trace afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from urllib.parse import urljoin

import pytest
from yarl import URL

from rtcserver.access.admission import RETRY_AFTER_S, Places
from rtcserver.access.token import Token, sign
from rtcserver.peer.base import PeerBackend, PeerRequest, PeerSession
from rtcserver.stock.peer import StockBackend
from signaling.limits import Limits
from tests.sdp import offers
from tests.signaling.served import SECRET, Served, raw, serve, until


class Scripted:
    """The stock backend with an `open` that waits, fails, or ignores its cancellation."""

    def __init__(self, inner: StockBackend) -> None:
        self.inner = inner
        self.beside = inner.beside
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = 0
        self.cancelled = 0
        self.stubborn = False
        self.failure: BaseException | None = None

    async def start(self) -> None:
        await self.inner.start()

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        self.entered += 1
        if self.failure is not None:
            raise self.failure
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                if not self.stubborn:
                    raise
        return await self.inner.open(room, offer, request)

    def sessions(self, room: str | None = None) -> list[PeerSession]:
        return self.inner.sessions(room)

    async def refresh(self, room: str) -> None:
        await self.inner.refresh(room)

    def has_just_ended(self, session_id: str, room: str) -> bool:
        return self.inner.has_just_ended(session_id, room)

    def find(self, session_id: str) -> PeerSession | None:
        return self.inner.find(session_id)

    def health(self) -> dict[str, object]:
        return self.inner.health()

    async def close(self) -> None:
        await self.inner.close()


def scripted(served: Served) -> Scripted:
    assert isinstance(served.backend, Scripted)
    return served.backend


def wrap(backend: StockBackend) -> PeerBackend:
    return Scripted(backend)


def request_bytes(body: str) -> bytes:
    head = "POST /r/main/whep HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def test_a_full_server_says_503_and_when_to_come_again(static: Path) -> None:
    async with serve(static, places=Places(listeners=2)) as served:
        locations = []
        for _ in range(2):
            async with served.post("/r/main/whep", offers.small()) as response:
                assert response.status == 201
                locations.append(urljoin("/r/main/whep", response.headers["Location"]))
        async with served.post("/r/side/whep", offers.small()) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"] == "full"
        async with served.http.delete(served.url(locations[0])) as response:
            assert response.status == 200
        async with served.post("/r/side/whep", offers.small()) as response:
            assert response.status == 201


async def test_a_storm_of_joins_is_bounded(static: Path) -> None:
    async with serve(static, places=Places(opening=3), wrap=wrap) as served:
        backend = scripted(served)
        backend.gate.clear()

        async def post() -> int:
            async with served.post("/r/main/whep", offers.small()) as response:
                return int(response.status)

        waiting = [asyncio.ensure_future(post()) for _ in range(3)]
        await until(lambda: backend.entered == 3)
        assert await post() == 503
        backend.gate.set()
        assert await asyncio.gather(*waiting) == [201, 201, 201]
        assert await post() == 201


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_client_that_leaves_before_its_answer_leaves_no_session(static: Path, stubborn: bool) -> None:
    async with serve(static, wrap=wrap) as served:
        backend = scripted(served)
        backend.stubborn = stubborn
        backend.gate.clear()
        _, writer = await raw(served.port, request_bytes(offers.small()))
        await until(lambda: backend.entered == 1)
        writer.close()
        await until(lambda: backend.cancelled >= 1)
        backend.gate.set()
        async with served.http.get(served.url("/healthz")) as response:
            assert response.status == 200
        await until(lambda: backend.sessions() == [] and served.rooms.hubs["main"].subscribers == 0)


async def test_a_backend_that_hangs_is_503_and_leaves_no_session(static: Path) -> None:
    async with serve(static, limits=Limits(answer_s=0.2), wrap=wrap) as served:
        backend = scripted(served)
        backend.stubborn = True
        backend.gate.clear()
        async with served.post("/r/main/whep", offers.small()) as response:
            assert response.status == 503
            assert (await response.json())["error"] == "too_slow"
            assert "Retry-After" in response.headers
        backend.gate.set()
        await until(lambda: served.rooms.hubs["main"].subscribers == 0 and backend.sessions() == [])
        async with served.post("/r/main/whep", offers.small()) as response:
            assert response.status == 201


async def test_our_own_failure_is_500_with_an_id_that_the_log_has_once(
    static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(static, wrap=wrap) as served:
        scripted(served).failure = ZeroDivisionError("the secret inside")
        async with served.post("/r/main/whep", offers.small()) as response:
            assert response.status == 500
            error = await response.json()
        assert "secret" not in error["message"]
        logged = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert len(logged) == 1
        (error_id,) = [a for a in logged[0].args or () if isinstance(a, str) and a in error["message"]]
        assert len(error_id) == 12
        caplog.clear()
        scripted(served).failure = None
        async with served.post("/r/main/whep", offers.small()) as response:
            assert response.status == 201


async def test_a_body_that_never_ends_is_408(static: Path) -> None:
    async with serve(static, limits=Limits(body_s=0.2)) as served:
        reader, writer = await raw(served.port, request_bytes(offers.small())[:-10])
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert served.backend.sessions() == []


@pytest.mark.parametrize(
    "start",
    [b"", b"POST /r/main/whep HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: "],
)
async def test_headers_that_never_end_are_cut_off(static: Path, start: bytes) -> None:
    async with serve(static, limits=Limits(idle_s=0.3)) as served:
        reader, writer = await raw(served.port, start)

        async def trickle() -> None:
            while start:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        trickling = asyncio.ensure_future(trickle())
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
        trickling.cancel()
        writer.close()
        await until(lambda: served.server.connections == 0)


async def test_a_client_that_does_not_read_is_cut_off(static: Path) -> None:
    (static / "large.bin").write_bytes(bytes(32 << 20))
    async with serve(static, limits=Limits(send_s=0.3)) as served:
        _, writer = await raw(served.port, b"GET /static/large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.transport.pause_reading()
        await until(lambda: served.server.connections == 1)
        await until(lambda: served.server.connections == 0)
        writer.close()


async def test_connections_are_bounded_and_the_next_one_hears_why(static: Path) -> None:
    async with serve(static, places=Places(connections=5)) as served:
        held = [await raw(served.port, b"GET / HT") for _ in range(5)]
        await until(lambda: served.server.connections == 5)
        reader, writer = await raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert f"Retry-After: {RETRY_AFTER_S}\r\n".encode() in answer
        head, body = answer.split(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert served.server.refused == 1
        writer.close()
        for _, held_writer in held:
            held_writer.close()
        await until(lambda: served.server.connections == 0)
        async with served.http.get(served.url("/healthz")) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "request_text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
        b"GET /" + b"z" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /r/main/whep HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ],
    ids=["tls", "word", "field-name", "field-size", "line-size", "many", "smuggling", "negative"],
)
async def test_what_is_not_http_is_400_and_not_logged(
    served: Served, caplog: pytest.LogCaptureFixture, request_text: bytes
) -> None:
    reader, writer = await raw(served.port, request_text)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    # aiohttp reports an unknown method at level DEBUG only, so there is nothing to keep out.
    assert served.server.malformed == (1 if request_text.startswith((b"GET", b"POST")) else 0)


async def test_the_debug_log_never_has_a_session_id(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "signaling"):
        async with served.post("/r/main/whep", offers.small()) as response:
            location = urljoin("/r/main/whep", response.headers["Location"])
        async with served.http.delete(served.url(location)) as response:
            assert response.status == 200
    requests = [r.getMessage() for r in caplog.records if r.name.startswith("signaling")]
    assert len(requests) == 2
    assert not any(location.rsplit("/", 1)[1] in line for line in requests)


@pytest.mark.parametrize("path", ["/r/main%23perform={}", "/api/tokens/{}", "/{}", "/r/main/whep/{}/x"])
async def test_the_debug_log_never_has_a_token(
    served: Served, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    token = sign(SECRET, Token("0123", ("main",), ("perform",), 4_000_000_000))
    with caplog.at_level(logging.DEBUG):
        async with served.http.get(URL(served.url(path.format(token)), encoded=True)) as response:
            assert response.status in (404, 405)
    text = caplog.text
    assert "method=GET" in text
    assert not any(part in text for part in token.split(".")[1:])


async def test_closing_the_server_leaves_no_task(static: Path) -> None:
    before = len(asyncio.all_tasks())
    async with serve(static) as served, served.post("/r/main/whep", offers.small()) as response:
        assert response.status == 201
    await until(lambda: len(asyncio.all_tasks()) <= before)

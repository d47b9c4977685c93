"""Much of everything, for about a second each, beside the bystander; afterwards, somebody new can still join."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from rtcserver.channel.up.messages import Ping
from tests.hostile.http import exchange, request
from tests.hostile.intruder import SDP, Intruder, address, intruder, offer
from tests.hostile.messages import HELLO
from tests.hostile.requests import FILES, SDPFRAG
from tests.hostile.scene import Scene
from tests.transport.hostile import HELLO as CLIENT_HELLO
from tests.transport.hostile import RTCP, RTP, Sender
from tests.transport.raw import seal

FLOOD_S = 0.7
BURST = 25
JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Flood:
    """packets: makes the next datagrams of an endless flood, from a client that has come as far as `sender`."""

    name: str
    sender: Sender
    packets: Callable[[Intruder], list[bytes]]


def _srtcp(plain: bytes) -> Callable[[Intruder], list[bytes]]:
    def build(client: Intruder) -> list[bytes]:
        if client.reports is None:
            client.reports = client.srtp()
        return [client.reports.protect_rtcp(plain)]

    return build


def _chunks(*chunks: bytes) -> Callable[[Intruder], list[bytes]]:
    return lambda client: [client.record(seal(client.tag, b"".join(chunks)))]


def _nack(pairs: int) -> bytes:
    """A request for 17 numbers a pair (RFC 4585, section 6.2.1)."""
    body = b"".join(struct.pack("!HH", n * 17 & 0xFFFF, 0xFFFF) for n in range(pairs))
    return struct.pack("!BBHII", 0x81, 205, 2 + pairs, 7, 8) + body


HEARTBEAT = struct.pack("!BBHHHI", 4, 0, 12, 1, 8, 9)


def _small_messages(client: Intruder) -> list[bytes]:
    return [client.record(client.packet(*(client.data(b"x", flags=7, protocol=53) for _ in range(40))))]


def _opens(client: Intruder) -> list[bytes]:
    return [client.opened("midi", stream) for stream in range(0, 60, 2)]


def _pings(client: Intruder) -> list[bytes]:
    if client.tsn == 1000:
        return [client.opened("midi")]
    ping = Ping(5).pack()
    return [client.record(client.packet(*(client.data(ping, flags=7, protocol=53) for _ in range(20))))]


def _telemetry(client: Intruder) -> list[bytes]:
    if client.tsn == 1000:
        return [client.opened("telemetry")]
    return list(client.said(HELLO)) + list(client.said("[" * 900))


FLOODS = [
    Flood("stun-of-strangers", "stranger", lambda client: [client.check(password="y" * 24)]),
    Flood("stun-of-nobody", "stranger", lambda client: [client.check(ufrag=os.urandom(8).hex())]),
    Flood("checks-of-a-peer", "bound", lambda client: [client.check()]),
    Flood("replayed-check", "bound", lambda client: [client.sent[0]]),
    Flood("noise-of-strangers", "stranger", lambda client: [os.urandom(1200)]),
    Flood("empty", "stranger", lambda client: [b""]),
    Flood("oversized", "stranger", lambda client: [bytes(9000)]),
    Flood("hellos", "bound", lambda client: [CLIENT_HELLO]),
    Flood("rtp", "session", lambda client: [RTP + bytes(1000)]),
    Flood("forged-rtcp", "session", lambda client: [RTCP + os.urandom(1000)]),
    Flood("replayed-rtcp", "session", lambda client: [client.report()] * 2),
    Flood("reports", "session", _srtcp(struct.pack("!BBHI", 0x80, 201, 1, 7))),
    Flood("requests-to-resend", "session", _srtcp(_nack(250))),
    Flood("byes", "session", _srtcp(struct.pack("!BBHI", 0x81, 203, 1, 7))),
    Flood("forged-records", "session", lambda client: [b"\x17\xfe\xfd\0\1" + os.urandom(600)]),
    Flood("heartbeats", "associated", _chunks(*[HEARTBEAT] * 60)),
    Flood("unknown-chunks", "associated", _chunks(*[bytes.fromhex("3f000004")] * 60)),
    Flood("small-messages", "associated", _small_messages),
    Flood("channels", "associated", _opens),
    Flood("pings", "associated", _pings),
    Flood("telemetry", "associated", _telemetry),
]


async def joins(scene: Scene) -> None:
    """Somebody new can come in."""
    begun = time.monotonic()
    async with intruder(scene.port, "session"):
        assert time.monotonic() - begun < JOIN_S


async def send(flood: Flood, client: Intruder) -> int:
    """Flood for `FLOOD_S`; returns the number of datagrams."""
    over = time.monotonic() + FLOOD_S
    sent = 0
    while time.monotonic() < over:
        for _ in range(BURST):
            for datagram in flood.packets(client):
                with contextlib.suppress(OSError):  # a session that was ended meanwhile
                    client.socket.send(datagram)
                sent += 1
        await asyncio.sleep(0.001)
    return sent


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
async def test_a_flood_of_datagrams(scene: Scene, flood: Flood) -> None:
    """While it goes on, somebody new can join."""
    with scene.undisturbed():
        async with intruder(scene.port, flood.sender, data=flood.sender == "associated") as client:
            flooding = asyncio.create_task(send(flood, client))
            await asyncio.sleep(FLOOD_S / 4)
            await joins(scene)
            assert await flooding > 200


async def test_a_stream_is_not_sent_to_who_does_not_want_it(scene: Scene) -> None:
    """The owner of a session names an address that answers nothing, in checks that are right, again and again."""
    with scene.undisturbed(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.setblocking(False)
        victim.bind((address(), 0))
        async with intruder(scene.port, "session") as client:
            sent = got = 0
            over = time.monotonic() + 2 * FLOOD_S
            while time.monotonic() < over:
                check = client.check()
                sent += victim.sendto(check, client.target)
                await asyncio.sleep(0.1)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        got += len(victim.recv(4096))
    assert got <= 5 * sent


Hold = Callable[[Scene], Awaitable[None]]


@contextlib.asynccontextmanager
async def connections(port: int, many: int) -> AsyncIterator[list[socket.socket]]:
    """Open TCP connections, from a hundred addresses."""
    loop = asyncio.get_running_loop()
    sources = [address() for _ in range(100)]
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(many):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.bind((sources[number % len(sources)], 0))
            async with asyncio.timeout(10):
                await loop.sock_connect(sock, ("127.0.0.1", port))
            found.append(sock)
        yield found


async def _say(sock: socket.socket, data: bytes) -> None:
    """Send what the server may have stopped to listen to."""
    with contextlib.suppress(OSError):
        sock.send(data)


HEAD = b"POST /r/main/whep HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\n"


async def idle(scene: Scene) -> None:
    async with connections(scene.port, 1000):
        await asyncio.sleep(FLOOD_S / 2)


async def slow_heads(scene: Scene) -> None:
    async with connections(scene.port, 300) as held:
        for byte in HEAD[:20]:
            for sock in held:
                await _say(sock, bytes([byte]))
            await asyncio.sleep(FLOOD_S / 20)


async def slow_bodies(scene: Scene) -> None:
    async with connections(scene.port, 300) as held:
        for sock in held:
            await _say(sock, HEAD + b"Content-Length: 1000\r\n\r\n")
        for _ in range(20):
            for sock in held:
                await _say(sock, b"a")
            await asyncio.sleep(FLOOD_S / 20)


async def deaf(scene: Scene) -> None:
    """Clients that ask for much and read nothing."""
    async with connections(scene.port, 200) as held:
        for sock in held:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            await _say(sock, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
        await asyncio.sleep(FLOOD_S / 2)


async def abrupt(scene: Scene) -> None:
    """Connections that are reset while they are answered."""
    for _ in range(4):
        async with connections(scene.port, 50) as held:
            for sock in held:
                await _say(sock, HEAD + b"Content-Length: 5\r\n\r\nhello")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def offers(scene: Scene) -> None:
    """Sessions that are asked for and never used, from many addresses."""
    wanted = request("POST", "/r/main/whep", offer(), content_type=SDP)
    for _ in range(6):
        answers = await asyncio.gather(*(exchange(scene.port, wanted, address()) for _ in range(8)))
        assert {answer.status for answer in answers} <= {201, 429, 503}


async def bad_offers(scene: Scene) -> None:
    wanted = request("POST", "/r/main/whep", b"v=0\r\n" + b"a=x\r\n" * 1900, content_type=SDP)
    for _ in range(6):
        answers = await asyncio.gather(*(exchange(scene.port, wanted, address()) for _ in range(8)))
        assert {answer.status for answer in answers} <= {400, 422, 429, 503}


async def restarts(scene: Scene) -> None:
    """ICE restarts, one after the other."""
    async with intruder(scene.port, "bound") as client:
        for number in range(100):
            body = f"a=ice-ufrag:raw{number}\r\na=ice-pwd:{'p' * 24}\r\n".encode()
            wanted = request("PATCH", client.resource, body, content_type=SDPFRAG)
            answer = await exchange(scene.port, wanted, client.source)
            assert answer.status in (200, 422, 429, 503), answer


async def guesses(scene: Scene) -> None:
    """Sessions of others, guessed."""
    for number in range(60):
        wanted = request("DELETE", f"/r/main/whep/{number:032x}")
        assert (await exchange(scene.port, wanted, address())).status in (404, 429)


async def passwords(scene: Scene) -> None:
    """Guessed, each from an address of its own: a guess costs the server a tenth of a second, and few may wait."""
    coded = [base64.b64encode(f"anna:password {n}".encode()).decode() for n in range(40)]
    wanted = [
        request("POST", FILES, b"MThd", content_type="audio/midi", authorization=f"Basic {text}")
        for text in coded
    ]
    answers = await asyncio.gather(*(exchange(scene.port, each, address()) for each in wanted))
    assert {answer.status for answer in answers} <= {401, 403, 429, 503}


HOLDS: list[Hold] = [
    idle,
    slow_heads,
    slow_bodies,
    deaf,
    abrupt,
    offers,
    bad_offers,
    restarts,
    guesses,
    passwords,
]


@pytest.mark.parametrize("hold", HOLDS, ids=lambda hold: hold.__name__)
async def test_a_flood_of_connections(scene: Scene, hold: Hold) -> None:
    with scene.undisturbed():
        await hold(scene)
        await joins(scene)


async def test_a_thousand_half_open_tls_connections() -> None:
    """On a server with TLS: some say nothing, some half a ClientHello, some nonsense."""
    said = (
        b"",
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        b"\x16" + bytes(400),
        b"GET / HT",
    )
    with Scene(tls="auto") as scene:
        async with connections(scene.port, 1000) as held:
            with scene.undisturbed():
                for number, sock in enumerate(held):
                    await _say(sock, said[number % len(said)])
                await asyncio.sleep(FLOOD_S)
                wanted = request("POST", "/r/main/whep", offer(), content_type=SDP)
                assert (await exchange(scene.port, wanted, address(), tls=True)).status == 201
            assert scene.server.health()["status"] == "ok"

"""What a Studio client may get wrong, on purpose or not, against the real server: it harms only itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc import rtcsctptransport as sctp

from rtcserver.encode.pcm import unpack
from tests.main_job.test_listening import live
from tests.rig.jack import JackServer
from tests.rig.server import RtcServer
from tests.transport.stock import on_loopback

__all__ = ["on_loopback"]
pytestmark = [
    pytest.mark.usefixtures("on_loopback"),
    pytest.mark.unhurried("asserts answers and waits for states"),
]
WAIT_S = 20
READY = json.dumps({"type": "studio_ready", "version": 1})


async def ask(server: RtcServer, sdp: str, mode: str) -> tuple[int, str, dict[str, str]]:
    """Post an offer; status, body and headers of the answer."""
    headers = {"Content-Type": "application/sdp", "Rtcserver-Mode": mode}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{server.room_url}/whep", data=sdp, headers=headers) as response,
    ):
        return response.status, await response.text(), dict(response.headers)


class Client:
    """A stock aiortc client with the channels of a Studio session."""

    def __init__(self, *, ordered: bool = False, samples: bool = True) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTransceiver("audio", direction="recvonly")
        self.telemetry = self.pc.createDataChannel("telemetry")
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.heard: list[bytes] = []
        self.telemetry.on("message", lambda text: self.said.put_nowait(json.loads(text)))
        self.opened = asyncio.Event()
        self.telemetry.on("open", self.opened.set)
        if samples:
            channel = self.pc.createDataChannel(
                "studio", ordered=ordered, maxRetransmits=None if ordered else 0
            )
            channel.on("message", self.heard.append)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def join(self, server: RtcServer, mode: str) -> dict[str, str]:
        status, answer, headers = await ask(server, await self.offer(), mode)
        assert status == 201, answer
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(self.opened.wait(), WAIT_S)
        # What is opened later than telemetry is there, too, when this comes back.
        self.telemetry.send(json.dumps({"type": "hello", "version": 1}))
        await self.answer("welcome")
        return headers

    async def answer(self, kind: str) -> dict[str, Any]:
        """The next message of a type."""
        async with asyncio.timeout(WAIT_S):
            while True:
                said = await self.said.get()
                if said["type"] == kind:
                    return said


@asynccontextmanager
async def joined(
    server: RtcServer, mode: str, *, ordered: bool = False, samples: bool = True
) -> AsyncIterator[Client]:
    client = Client(ordered=ordered, samples=samples)
    try:
        await client.join(server, mode)
        yield client
    finally:
        await asyncio.wait_for(client.pc.close(), WAIT_S)


async def session(server: RtcServer) -> dict[str, Any]:
    """What the server shows of its only session."""
    (found,) = (await asyncio.to_thread(server.get_json, "/api/rooms/main"))["sessions"]
    return dict(found)


async def until(condition: Any, what: str) -> None:
    for _ in range(WAIT_S * 20):
        if await condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"not in {WAIT_S} s: {what}")


async def test_samples_by_channel_are_the_instruments_and_rtp_stays_silent() -> None:
    with RtcServer(instrument="tone", samplerate=44_100) as server:
        server.wait_healthy(live)
        async with joined(server, "studio-channel") as client:
            await asyncio.sleep(0.3)
            assert not client.heard, "nothing comes before it is asked for"
            client.telemetry.send(READY)

            async def enough() -> bool:
                return len(client.heard) >= 100

            await until(enough, "100 blocks")
            shown = await session(server)
            room = server.get_json("/api/rooms/main")
        blocks = sorted((unpack(message[4:]) for message in client.heard), key=lambda one: one.first_frame)
    assert {(one.rate, one.bits, one.frames) for one in blocks} == {(44_100, 24, 128)}
    firsts = [one.first_frame for one in blocks]
    assert firsts == list(range(firsts[0], firsts[0] + 128 * len(firsts), 128))
    assert (shown["mode"], shown["payload"]) == ("studio-channel", "silence")
    studio = room["studio"]
    assert (studio["listeners"], studio["limit"], studio["packets_per_s"]) == (1, 8, 344.5)
    assert 2 < studio["mbps"] < 2.5


async def test_who_never_reads_is_ended() -> None:
    """How much memory it holds until then is in `tests/room/test_samples.py`."""
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with joined(server, "studio-channel") as client:
            transport = client.pc.sctp
            assert transport is not None
            take = transport._receive_chunk

            async def deaf(chunk: sctp.Chunk) -> None:
                if not isinstance(chunk, sctp.DataChunk | sctp.ForwardTsnChunk):
                    await take(chunk)

            transport._receive_chunk = deaf  # type: ignore[method-assign]  # the test's client is deaf on purpose
            client.telemetry.send(READY)

            async def ended() -> bool:
                return not (await asyncio.to_thread(server.get_json, "/api/rooms/main"))["sessions"]

            await until(ended, "the end of the session")
        backend = server.health()["backend"]
    assert backend["ended_stuck"] == 1
    assert not client.heard


async def test_another_version_of_the_payload_is_refused() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with joined(server, "studio-channel") as client:
            client.telemetry.send(json.dumps({"type": "studio_ready", "version": 2}))
            error = await client.answer("error")
            shown = await session(server)
        assert not client.heard
    assert (error["code"], error["of"]) == ("unknown_version", "studio_ready")
    assert shown["payload"] == "silence"


@pytest.mark.parametrize(
    ("mode", "ordered", "samples", "code", "payload"),
    [
        ("listen", False, True, "not_studio", "opus"),
        ("studio-channel", True, True, "no_channel", "silence"),
        ("studio-channel", False, False, "no_channel", "silence"),
    ],
    ids=["listen", "reliable channel", "no channel"],
)
async def test_pcm_is_only_for_those_who_can_take_it(
    mode: str, ordered: bool, samples: bool, code: str, payload: str
) -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with joined(server, mode, ordered=ordered, samples=samples) as client:
            client.telemetry.send(READY)
            error = await client.answer("error")
            shown = await session(server)
        assert not client.heard
    assert (error["code"], error["of"]) == (code, "studio_ready")
    assert shown["payload"] == payload


async def test_a_ring_report_that_lies_is_clamped() -> None:
    lies = {"level_ms": 1e300, "target_ms": -5, "underruns": -1e9, "drift_ppm": 1e12, "ratio": 0}
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with joined(server, "studio-channel") as client:
            client.telemetry.send(json.dumps({"type": "studio_report", **lies, "lost": "many"}))
            error = await client.answer("error")
            assert "studio" not in await session(server)
            client.telemetry.send(json.dumps({"type": "studio_report", **lies}))

            async def reported() -> bool:
                return "studio" in await session(server)

            await until(reported, "the report")
            shown = await session(server)
    assert (error["code"], error["of"]) == ("malformed", "studio_report")
    assert shown["studio"] == {
        "level_ms": 10_000,
        "target_ms": 0,
        "underruns": 0,
        "drift_ppm": 100_000,
        "ratio": 0.5,
    }


async def test_both_ways_share_the_places() -> None:
    with RtcServer(instrument="tone", studio_listeners=1) as server:
        server.wait_healthy(live)
        async with joined(server, "studio-channel"):
            refused = Client()
            status, body, headers = await ask(server, await refused.offer(), "studio")
            await refused.pc.close()
    assert (status, json.loads(body)["error"]) == (503, "studio_full")
    assert headers["Retry-After"]


async def test_an_unknown_mode_is_refused() -> None:
    with RtcServer(instrument="tone") as server:
        client = Client()
        status, body, _ = await ask(server, await client.offer(), "studio-9000")
        await client.pc.close()
    assert status == 400
    assert "studio-channel" in body


async def test_a_rate_that_the_device_does_not_have_is_named(jack_server: JackServer) -> None:
    settings = {"instrument": "portaudio", "device": "system", "samplerate": 96_000}
    with RtcServer(**settings, env=jack_server.variables) as server:  # type: ignore[arg-type]  # the server's keys
        server.wait_healthy(lambda health: health["rooms"]["main"]["code"] == "rate")
        client = Client()
        status, body, _ = await ask(server, await client.offer(), "studio")
        await client.pc.close()
        room = server.get_json("/api/rooms/main")
    assert status == 503
    assert "96000 Hz" in json.loads(body)["message"]
    assert "44100 Hz" in json.loads(body)["message"]
    assert room["studio"] == {"listeners": 0, "limit": 8}

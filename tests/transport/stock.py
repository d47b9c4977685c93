"""A stock aiortc client and the server's side of it, joined by a hand-made answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pylibsrtp
import pytest
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
    rtcdtlstransport,
)

from rtcserver.transport.address import Path
from rtcserver.transport.aiortc_internals import SrtpKeys
from rtcserver.transport.candidates import Arrival
from rtcserver.transport.dtls import SctpParameters
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from rtcserver.transport.peer import TransportPeer
from rtcserver.transport.rtcp import RtcpPacket

WAIT_S = 10
SSRC = 0x1234ABCD


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that nobody announces. Fails after `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- the condition is foreign state, there is no event for it
            await asyncio.sleep(0.005)


@pytest.fixture
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice leaves loopback out of its candidates; the tests use nothing else."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@asynccontextmanager
async def running(**config: Any) -> AsyncIterator[MediaEndpoint]:
    """An endpoint on a free port of 127.0.0.1."""
    endpoint = MediaEndpoint(EndpointConfig(**{"host": "127.0.0.1", **config}))
    await endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.close()


class Recorder:
    """A `PeerListener` that keeps what it is told; data channels echo."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        self.path: Path | None = None
        self.keys: SrtpKeys | None = None
        self.moves: list[Path] = []
        self.rtcp: list[RtcpPacket] = []
        self.channels: list[RTCDataChannel] = []
        self.reasons: list[str] = []

    def on_connected(self, path: Path, keys: SrtpKeys) -> None:
        assert not self.connected.is_set(), "told twice"
        self.path, self.keys = path, keys
        self.connected.set()

    def on_path_changed(self, path: Path) -> None:
        self.moves.append(path)

    def on_rtcp(self, packets: list[RtcpPacket]) -> None:
        self.rtcp += packets

    def on_datachannel(self, channel: RTCDataChannel) -> None:
        self.channels.append(channel)
        channel.on("message", channel.send)

    def on_closed(self, reason: str) -> None:
        self.reasons.append(reason)
        self.closed.set()

    async def until_connected(self) -> None:
        await asyncio.wait_for(self.connected.wait(), WAIT_S)


class StockClient:
    """An RTCPeerConnection that offers audio and, if asked, a data channel "echo"."""

    def __init__(self, *, data: bool = True) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTransceiver("audio", direction="recvonly")
        self.channel = self.pc.createDataChannel("echo") if data else None
        self.heard: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.server = Recorder()
        self.peer: TransportPeer | None = None
        self.rtp: asyncio.Queue[bytes] = asyncio.Queue()
        if self.channel is not None:
            self.channel.on("message", self.heard.put_nowait)

    @property
    def dtls(self) -> Any:
        """aiortc's DTLS transport of the client."""
        return self.pc.getTransceivers()[0].receiver.transport

    async def join(self, endpoint: MediaEndpoint) -> TransportPeer:
        """Offer, be answered, and wait until both sides are connected."""
        await self.offer_to(endpoint)
        await self.server.until_connected()
        await until(lambda: self.dtls.state == "connected")
        assert self.peer is not None
        return self.peer

    async def offer_to(self, endpoint: MediaEndpoint) -> None:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = self.pc.localDescription.sdp
        self.peer = endpoint.create_peer(
            remote_ufrag=_value(offer, "ice-ufrag"),
            remote_password=_value(offer, "ice-pwd"),
            fingerprints=[tuple(v.split(" ", 1)) for v in re.findall(r"a=fingerprint:(.*?)\r\n", offer)],
            listener=self.server,
            sctp=SctpParameters() if self.channel is not None else None,
            source="127.0.0.1",
        )
        answer = await make_answer(offer, self.peer, endpoint)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def intercept_rtp(self) -> None:
        """Put every datagram that the client decrypts as RTP into `rtp`."""
        original = self.dtls._handle_rtp_data

        async def take(data: bytes, arrival_time_ms: int) -> None:
            self.rtp.put_nowait(data)
            await original(data, arrival_time_ms)

        self.dtls._handle_rtp_data = take

    async def echo(self, text: str | bytes) -> str | bytes:
        """Send a message and wait for its echo."""
        assert self.channel is not None
        channel = self.channel
        await until(lambda: channel.readyState == "open")
        self.channel.send(text)
        return await asyncio.wait_for(self.heard.get(), WAIT_S)

    async def close(self) -> None:
        await asyncio.wait_for(self.pc.close(), WAIT_S)


def _value(sdp: str, name: str) -> str:
    found = re.search(rf"a={name}:(.*?)\r\n", sdp)
    assert found is not None
    return found.group(1)


async def make_answer(offer: str, peer: TransportPeer, endpoint: MediaEndpoint) -> str:
    """The least answer that aiortc takes."""
    mids = re.findall(r"a=mid:(.*?)\r\n", offer)
    host = endpoint.config.host or "127.0.0.1"
    candidates = await endpoint.candidates(Arrival(host, host, host))
    transport = [
        "c=IN IP4 0.0.0.0",
        f"a=ice-ufrag:{peer.local_ufrag}",
        f"a=ice-pwd:{peer.local_password}",
        f"a=fingerprint:sha-256 {endpoint.fingerprint}",
        "a=setup:passive",
        *(f"a={candidate.line}" for candidate in candidates),
        "a=end-of-candidates",
    ]
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(mids)}",
    ]
    opus = re.search(r"a=rtpmap:(\d+) opus/48000/2", offer)
    assert opus is not None
    lines += [f"m=audio 9 UDP/TLS/RTP/SAVPF {opus.group(1)}", *transport, f"a=mid:{mids[0]}"]
    lines += ["a=sendonly", "a=rtcp-mux", f"a=rtpmap:{opus.group(1)} opus/48000/2", f"a=ssrc:{SSRC} cname:x"]
    if "m=application" in offer:
        lines += ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", *transport]
        lines += [f"a=mid:{mids[1]}", "a=sctp-port:5000", "a=max-message-size:65536"]
    return "\r\n".join(lines) + "\r\n"


def outbound_session(keys: SrtpKeys) -> pylibsrtp.Session:
    """What the broadcast process would protect with."""
    policy = pylibsrtp.Policy(
        key=keys.send, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=keys.profile
    )
    return pylibsrtp.Session(policy)


def only_profile(monkeypatch: pytest.MonkeyPatch, profile: Any) -> None:
    """Let aiortc's client offer one SRTP profile."""
    monkeypatch.setattr(rtcdtlstransport, "SRTP_PROFILES", [profile])

"""Listeners on the one port: a stock aiortc client, our answer, and a broadcast engine in this process."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, cast

import pytest
from aiortc import (
    RTCDataChannel,
    RTCSessionDescription,
    rtp,
)

from rtcserver import logs
from rtcserver.access.admission import RETRY_AFTER_S, Admission, Places
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.listener import ListenerSpec, redundant_kind
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.clock import NS, monotonic_ns, ns_to_samples
from rtcserver.encode.packet import EncodedPacket
from rtcserver.errors import PeerError
from rtcserver.peer import oneport
from rtcserver.peer.base import PeerRequest
from rtcserver.peer.limits import SessionLimits
from rtcserver.peer.oneport import RETURN_PACE_MS, OnePortBackend, OnePortSession, supervised
from rtcserver.peer.redundancy import Redundancy
from rtcserver.peer.state import State
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.transport import stun
from rtcserver.transport.budget import NUMBERS
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from rtcserver.transport.peer import TransportPeer
from tests.peer.hearing import REQUEST, Listener
from tests.sdp.offers import NAMES, load, small
from tests.transport.raw import answer_to
from tests.transport.stock import WAIT_S, on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


class InThisProcess:
    """A `BroadcastOwner` and `Broadcast` whose engine runs here, so that a test sends when it wants."""

    def __init__(self, backend: OnePortBackend) -> None:
        self.engine = BroadcastEngine(backend.endpoint.send_sockets())
        self.client: InThisProcess | None = None
        self.spare_wanted = False
        self.anchored: list[str] = []
        self.unread_ns = 0
        self.set_address = self.engine.set_address
        self.set_kind = self.engine.set_kind
        self.set_copied = self.engine.set_copied
        self.nack = self.engine.nack
        self.listener_stats = self.engine.counters
        self.add_listener = self.engine.add
        self.remove_listener = self.engine.remove
        self.send_stream = self.engine.streams.send
        self.remove_stream = self.engine.streams.remove

    reading = False
    """It reads no checks."""

    def keep(self, number: int, check: object) -> None:
        raise AssertionError("nobody asked for checks")

    def drop(self, number: int) -> None:
        raise AssertionError("nobody asked for checks")

    def add_stream(self, number: int, sock: socket.socket, rest: bytes, unsent_bytes: int) -> None:
        # A descriptor of its own, as another process has.
        self.engine.streams.add(number, sock.dup(), rest, unsent_bytes)

    async def start(self) -> None:
        self.client = self

    async def close(self) -> None:
        self.client = None

    async def serving(self, timeout_s: float) -> bool:
        return self.client is not None

    def tell_anchor(self, room: str) -> None:
        self.anchored.append(room)

    def keep_spare(self, wanted: bool) -> None:
        self.spare_wanted = wanted

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> None:
        """The engine's counters are always fresh here."""


class Server:
    """A backend whose broadcast engine is in this process."""

    def __init__(self, **options: Any) -> None:
        self.endpoint = MediaEndpoint(EndpointConfig(host="127.0.0.1", tcp=True, half_open_ns=5_000_000_000))
        self.backend = OnePortBackend(self.endpoint, **{"own_broadcast": InThisProcess, **options})
        self.media_time = 2**32 - 960

    @property
    def engine(self) -> BroadcastEngine:
        owner = self.backend.broadcast
        assert isinstance(owner, InThisProcess)
        return owner.engine

    def play(self, packets: int) -> list[bytes]:
        """Send packets to the room; returns their payloads."""
        payloads = [bytes([n]) * 60 for n in range(packets)]
        for payload in payloads:
            self.engine.send("main", EncodedPacket(self.media_time, 480, 1, 0, payload))
            self.media_time += 480
        return payloads


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
    await server.backend.start()
    try:
        yield server
    finally:
        await server.backend.close()


async def test_a_stock_client_hears_the_room() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        payloads = server.play(20)
        await until(lambda: len(listener.rtp) == 20)
        assert [p.payload for p in listener.rtp] == payloads
        assert {p.ssrc for p in listener.rtp} == {session.ssrc}
        assert {p.payload_type for p in listener.rtp} == {session.offer.payload_type}
        first = listener.rtp[0]
        assert [p.timestamp for p in listener.rtp] == [
            (first.timestamp + 480 * n) & 0xFFFFFFFF for n in range(20)
        ]
        assert [p.sequence_number for p in listener.rtp] == list(
            range(first.sequence_number, first.sequence_number + 20)
        )
        assert first.sequence_number < 2**15
        assert f"a=ssrc:{session.ssrc} cname:" in session.answer
        await listener.close()


async def test_two_listeners_share_packets_but_not_streams() -> None:
    async with serving() as server:
        one, two = Listener(), Listener()
        sessions = [await one.join(server.backend), await two.join(server.backend)]
        assert sessions[0].ssrc != sessions[1].ssrc
        payloads = server.play(5)
        await until(lambda: len(one.rtp) == len(two.rtp) == 5)
        assert [p.payload for p in one.rtp] == [p.payload for p in two.rtp] == payloads
        await one.close()
        await until(lambda: sessions[0].state is State.CLOSED)
        more = server.play(5)
        await until(lambda: len(two.rtp) == 10)
        assert [p.payload for p in two.rtp[5:]] == more
        assert server.engine.audience() == {"main": 1}
        await two.close()


async def test_a_nack_brings_the_packet_again() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        server.play(5)
        await until(lambda: len(listener.rtp) == 5)
        lost = listener.rtp[2]
        # The replay window of a real receiver lets a repetition pass only if it never came.
        listener.dtls._rx_srtp.remove_stream(session.ssrc)
        nack = rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=session.ssrc, lost=[lost.sequence_number])
        await listener.dtls._send_rtp(bytes(nack))
        await until(lambda: len(listener.rtp) == 6)
        assert listener.rtp[5].sequence_number == lost.sequence_number
        assert listener.rtp[5].payload == lost.payload
        assert session.counters["nacked"] == 1
        other = rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=session.ssrc ^ 1, lost=[1])
        await listener.dtls._send_rtp(bytes(other))
        await until(lambda: server.endpoint.counters["rtcp_received"] == 2)
        assert session.counters["nacked"] == 1
        await listener.close()


async def test_reports_that_can_be_true_reach_the_session_info_and_who_asks() -> None:
    async with serving() as server:
        heard: list[dict[str, float]] = []
        server.backend.on_reception = lambda session, reception: heard.append(reception.values())
        listener = Listener()
        session = await listener.join(server.backend)
        first = session.first_sequence

        async def report(lost: int, highest: int) -> None:
            block = rtp.RtcpReceiverInfo(
                ssrc=session.ssrc,
                fraction_lost=1,
                packets_lost=lost,
                highest_sequence=highest,
                jitter=96,
                lsr=0,
                dlsr=0,
            )
            await listener.dtls._send_rtp(bytes(rtp.RtcpRrPacket(ssrc=1, reports=[block])))

        await report(3, first + 9)
        await until(lambda: heard)
        assert heard == [{"packets": 7, "lost": 3, "jitter_ms": 2}]
        info = session.info()
        assert info.state == "connected"
        assert (info.counters["lost"], info.counters["jitter_48k"]) == (3, 96)
        assert info.details["reception"] == {"reports": 1, "left_out": 0, **heard[0]}
        assert info.details["user_agent"] == REQUEST.user_agent
        await report(1575, first + 20)
        await until(lambda: server.backend.counters["reports_left_out"])
        info = session.info()
        assert len(heard) == 1
        assert info.counters["lost"] == 3
        assert info.details["reception"] == {"reports": 2, "left_out": 1, **heard[0]}
        await listener.close()


async def test_redundancy_is_packed_around_few_payload_types() -> None:
    chromium = load("chromium")

    def of(number: int) -> str:
        return re.sub(r"\b111\b", str(number), chromium)

    async with serving() as server:
        opened = {
            number: await server.backend.open("main", of(number), REQUEST)
            for number in (*range(96, 96 + oneport.RED_TYPES), 111, 97)
        }
    with_red = {number for number, session in opened.items() if "red/48000" in session.answer}
    assert with_red == {*range(96, 96 + oneport.RED_TYPES - 1), 111}


async def report_losses(
    listener: Listener, session: OnePortSession, lost: int, *, share: float, packets: int = 100
) -> None:
    """A receiver report: so many were lost of the first `packets`, and the share of the last ones (RFC 3550, 6.4.2)."""
    block = rtp.RtcpReceiverInfo(
        ssrc=session.ssrc,
        fraction_lost=int(share * 256),
        packets_lost=lost,
        highest_sequence=session.first_sequence + packets - 1,
        jitter=0,
        lsr=0,
        dlsr=0,
    )
    await listener.dtls._send_rtp(bytes(rtp.RtcpRrPacket(ssrc=1, reports=[block])))


async def test_who_loses_packets_and_cannot_ask_gets_each_twice_and_drops_the_copies() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        session.feedback.connected_ns -= 2 * NS
        await report_losses(listener, session, 10, share=0.1)
        await until(lambda: session.info().details.get("copied"))
        assert session.info().details["payload"] == "opus"
        server.play(5)
        server.engine.repeat(NS)
        assert server.engine.repeat(2 * NS) == 5
        # Behind the copies, so that all have come when it has.
        [last] = server.play(1)
        await until(lambda: listener.rtp and listener.rtp[-1].payload == last)
        assert [packet.sequence_number - session.first_sequence for packet in listener.rtp] == list(range(6))
        assert server.engine.totals().repeats == 5

        nack = rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=session.ssrc, lost=[session.first_sequence])
        await listener.dtls._send_rtp(bytes(nack))
        await until(lambda: not session.info().details["copied"])
        server.play(1)
        server.engine.repeat(3 * NS)
        assert server.engine.repeat(4 * NS) == 0
        await listener.close()


async def test_who_reads_redundancy_and_loses_many_gets_every_second_packet_twice_as_well() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        session.feedback.duplication = None
        session.feedback.redundancy = Redundancy(111, 63)
        session.feedback.connected_ns -= 2 * NS
        await report_losses(listener, session, 10, share=0.1)
        await until(lambda: session.info().details.get("copied") == 2)
        kind = redundant_kind(1, 111)
        assert session.info().details["payload"] == kind
        for number in range(6):
            server.engine.send("main", EncodedPacket(480 * number, 480, 0, 0, b"red"), kind)
            server.engine.repeat(NS)
        assert server.engine.repeat(2 * NS) == 3
        # Who says then that none was lost has had copies: more may have come than were sent once.
        await report_losses(listener, session, -20, share=0, packets=150)
        await until(lambda: session.info().counters["lost"] == -20)
        await listener.close()


async def test_deleting_says_bye_and_closes() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        await session.close()
        await session.close()
        await until(lambda: listener.dtls.state == "closed")
        assert any(packet[-8:-4] == struct.pack("!BBH", 0x81, 203, 1) for packet in listener.rtcp)
        assert server.backend.sessions() == []
        assert server.backend.find(session.id) is None
        assert server.engine.audience() == {}
        assert not server.endpoint.peers
        assert server.backend.counters["ended_deleted"] == 1
        assert not server.backend.has_just_ended(session.id, "main")
        await listener.close()


async def test_a_session_that_its_client_ended_may_still_be_deleted() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        await listener.close()
        await until(lambda: session.state is State.CLOSED)
        assert server.backend.find(session.id) is None
        assert not server.backend.has_just_ended(session.id, "side")
        assert server.backend.has_just_ended(session.id, "main")
        assert not server.backend.has_just_ended(session.id, "main")


async def test_data_channels_are_handed_on() -> None:
    opened: list[tuple[OnePortSession, RTCDataChannel]] = []
    async with serving(on_datachannel=lambda session, channel: opened.append((session, channel))) as server:
        listener = Listener(data=True)
        session = await listener.join(server.backend)
        await until(lambda: opened)
        assert opened[0][0] is session
        assert opened[0][1].label == "midi"
        assert session.channels == [opened[0][1]]
        assert listener.channel is not None
        listener.channel.close()
        await until(lambda: session.channels == [])
        assert session.state is State.PLAYING
        await listener.close()


async def test_an_ice_restart_moves_the_stream() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        etag = session.etag
        same = f"a=ice-ufrag:{session.offer.ice_ufrag}\r\na=ice-pwd:{session.offer.ice_pwd}\r\n"
        assert await session.patch(same) is None
        assert session.etag == etag
        answer = await session.patch(f"a=ice-ufrag:newU\r\na=ice-pwd:{'w' * 24}\r\n")
        assert answer is not None
        assert session.etag != etag
        assert session.state is State.RESTARTING
        fragment = parse_sdpfrag(answer)
        assert fragment.complete
        assert fragment.candidates[0].port == server.endpoint.port.port
        server.play(2)
        await until(lambda: len(listener.rtp) == 2)

        arrived: asyncio.Queue[bytes] = asyncio.Queue()

        class Socket(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                arrived.put_nowait(data)

        loop = asyncio.get_running_loop()
        new, _ = await loop.create_datagram_endpoint(
            Socket, remote_addr=("127.0.0.1", server.endpoint.port.port)
        )
        new.sendto(
            stun.build_request(
                bytes(12),
                f"{fragment.ice_ufrag}:newU".encode(),
                fragment.ice_pwd.encode(),
                use_candidate=True,
            )
        )
        reply = await asyncio.wait_for(arrived.get(), WAIT_S)
        assert stun.parse(reply).kind == stun.BINDING_SUCCESS
        challenge = await asyncio.wait_for(arrived.get(), WAIT_S)
        server.play(1)
        await until(lambda: len(listener.rtp) == 3)
        new.sendto(answer_to(challenge, "w" * 24))
        await until(lambda: session.state is State.PLAYING)
        server.play(3)
        packets = [await asyncio.wait_for(arrived.get(), WAIT_S) for _ in range(3)]
        assert {struct.unpack_from("!I", p, 8)[0] for p in packets} == {session.ssrc}
        assert len(listener.rtp) == 3
        new.close()
        await listener.close()


async def test_ice_restarts_are_bounded_in_a_minute() -> None:
    async with serving(limits=SessionLimits(restarts_per_minute=3)) as server:
        session = await server.backend.open("main", small(), REQUEST)
        other = await server.backend.open("main", small(), REQUEST)
        trickled = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"

        def restart(number: int) -> str:
            return f"a=ice-ufrag:new{number}\r\na=ice-pwd:{'w' * 24}\r\n"

        for number in range(3):
            assert await session.patch(restart(number)) is not None
        etag = session.etag
        with pytest.raises(PeerError, match="restart ICE 3 times a minute") as refused:
            await session.patch(restart(3))
        assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (
            429,
            "too_often",
            20,
        )
        assert session.etag == etag
        assert server.backend.counters["restarts_refused"] == 1
        assert await session.patch(trickled) is None, "what is no restart goes on"
        assert await other.patch(restart(0)) is not None


async def test_patches_are_bounded_in_a_minute() -> None:
    async with serving(limits=SessionLimits(patches_per_minute=2)) as server:
        session = await server.backend.open("main", small(), REQUEST)
        for _ in range(2):
            assert await session.patch("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n") is None
        with pytest.raises(PeerError, match="change 2 times a minute") as refused:
            await session.patch("nonsense is not even read")
        assert (refused.value.status, refused.value.retry_after_s) == (429, 30)
        assert server.backend.counters["patches_refused"] == 1


async def test_a_room_has_its_own_bound() -> None:
    async with serving(admission=Admission(Places(listeners_per_room=1))) as server:
        session = await server.backend.open("main", small(), REQUEST)
        with pytest.raises(PeerError, match="All 1 places of this room are taken"):
            await server.backend.open("main", small(), REQUEST)
        await session.close()
        await session.close()
        for _ in range(2):
            session = await server.backend.open("main", small(), REQUEST)
            await session.close()


async def test_half_open_peers_of_one_client_count_together() -> None:
    """One address in its two forms is one client; `rtcserver.access.address` knows of others, such as a /64."""
    async with serving(admission=Admission(Places(connecting_per_address=1))) as server:
        for address, refused in (("127.0.0.1", False), ("::ffff:127.0.0.1", True), ("127.0.0.2", False)):
            asked = PeerRequest(address, "127.0.0.1", local_address="127.0.0.1")
            told = pytest.raises(PeerError, match="from your address") if refused else nullcontext()
            with told:
                await server.backend.open("main", small(), asked)


async def test_m_lines_are_bounded_by_the_configuration() -> None:
    async with serving(limits=SessionLimits(media_lines=2)) as server:
        await server.backend.open("main", load("chromium-datachannel"), REQUEST)
        with pytest.raises(PeerError, match="more than 2 m-lines") as refused:
            await server.backend.open("main", load("chromium-max-bundle"), REQUEST)
        assert refused.value.status == 400


async def test_patches_that_are_refused() -> None:
    async with serving() as server:
        session = await server.backend.open("main", small(), REQUEST)
        with pytest.raises(PeerError) as half:
            await session.patch("a=ice-ufrag:other\r\n")
        assert half.value.status == 400
        trickled = (
            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
        )
        assert await session.patch(trickled) is None
        await session.close()
        with pytest.raises(PeerError) as gone:
            await session.patch(trickled)
        assert gone.value.status == 404


@pytest.mark.parametrize("name", NAMES)
async def test_offers_of_real_clients_are_answered(name: str) -> None:
    async with serving() as server:
        session = await server.backend.open("main", load(name), REQUEST)
        assert f" 127.0.0.1 {server.endpoint.port.port} typ host" in session.answer
        assert session.info().state == "connecting"
        assert server.backend.sessions("main") == [session]
        assert server.backend.sessions("other") == []


async def test_the_number_of_listeners_is_bounded() -> None:
    async with serving(admission=Admission(Places(listeners=1))) as server:
        session = await server.backend.open("main", small(), REQUEST)
        with pytest.raises(PeerError) as full:
            await server.backend.open("main", small(), REQUEST)
        assert (full.value.status, full.value.code) == (503, "full")
        assert full.value.retry_after_s == RETRY_AFTER_S
        await session.close()
        await server.backend.open("main", small(), REQUEST)


async def test_a_client_that_can_reach_no_address_of_ours_is_told_so() -> None:
    """A proxy on this machine brings it from elsewhere; the port is open on loopback only."""
    async with serving() as server:
        elsewhere = PeerRequest("203.0.113.9", "music.example", local_address="127.0.0.1")
        with pytest.raises(PeerError, match="public_host") as refused:
            await server.backend.open("main", small(), elsewhere)
        assert (refused.value.status, refused.value.code) == (503, "no_address")
        assert server.backend.sessions() == []
        assert server.backend.endpoint.half_open == 0


async def test_an_offer_that_is_lite_too_is_refused() -> None:
    async with serving() as server:
        with pytest.raises(PeerError) as refused:
            await server.backend.open("main", small().replace("s=-\r\n", "s=-\r\na=ice-lite\r\n"), REQUEST)
        assert refused.value.status == 422
        assert server.endpoint.half_open == 0


class Telemetry:
    """The server's side of a channel, which keeps what is said."""

    label, readyState = "telemetry", "open"  # noqa: N815

    def __init__(self) -> None:
        self.said: list[str] = []
        self.send = self.said.append


async def test_losing_the_broadcast_process_ends_everybody_and_tells_each_when_to_come_again() -> None:
    def parting(reason: str, message: str, after_ms: int) -> str:
        return f"{reason} {after_ms}"

    async with serving(parting=parting) as server:
        listeners = [Listener() for _ in range(3)]
        sessions = [await listener.join(server.backend) for listener in listeners]
        channels = [Telemetry() for _ in sessions]
        for session, channel in zip(sessions, channels, strict=True):
            session.channels.append(cast(RTCDataChannel, channel))
        server.backend.broadcast_lost()
        for listener, session in zip(listeners, sessions, strict=True):
            assert session.state is State.CLOSED
            await until(lambda closing=listener: closing.dtls.state == "closed")
        assert server.backend.counters["ended_broadcast_lost"] == 3
        assert [channel.said for channel in channels] == [
            [f"sound_restarts {number * RETURN_PACE_MS}"] for number in range(3)
        ], "the first one at once, and not all together"
        for listener in listeners:
            await listener.close()


async def test_a_spare_is_wanted_while_somebody_listens() -> None:
    async with serving() as server:
        owner = server.backend._owner
        assert isinstance(owner, InThisProcess)
        assert not owner.spare_wanted
        listener = Listener()
        session = await listener.join(server.backend)
        assert owner.spare_wanted
        await session.close()
        assert not owner.spare_wanted
        await listener.close()


async def test_a_room_begins_with_its_first_session_and_before_it_is_connected() -> None:
    async with serving() as server:
        asked: list[frozenset[str]] = []
        server.backend.on_demand = lambda room, names: asked.append(frozenset(names))
        owner = server.backend._owner
        assert isinstance(owner, InThisProcess)
        first, second = Listener(), Listener()
        session = await first.join(server.backend)
        assert asked == [{"opus"}]
        assert owner.anchored == ["main"]
        other = await second.join(server.backend)
        await session.close()
        assert asked == [{"opus"}]
        assert owner.anchored == ["main"]
        await other.close()
        # It stays for who reloads the page.
        assert asked == [{"opus"}]
        await first.close()
        await second.close()


async def test_what_the_broadcast_process_says_of_a_listener() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        server.play(3)
        assert session.info().counters["packets"] == 3
        server.backend.on_refused(999, "unknown")
        server.backend.on_refused(session.listener_id, "the key has been used")
        assert session.state is State.CLOSED
        assert session.close_reason == "refused"
        await listener.close()


async def test_with_a_broadcast_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed → process → SRTP → client; the process is killed; who comes meanwhile waits for the next, and hears again."""
    feed, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    start_ns = monotonic_ns()
    written = 0

    def write(count: int) -> None:
        nonlocal written
        for _ in range(count):
            media_time = ns_to_samples(monotonic_ns() - start_ns) // 480 * 480
            payload = b"packet" + written.to_bytes(4, "big")
            writer.send(EncodedPacket(media_time, 480, monotonic_ns(), 0, payload).pack())
            written += 1

    async def hear(listener: Listener) -> None:
        before = len(listener.rtp)
        async with asyncio.timeout(WAIT_S):
            while not any(p.payload.startswith(b"packet") for p in listener.rtp[before:]):
                write(1)
                await asyncio.sleep(0.01)

    async with serving(own_broadcast=supervised) as server:
        server.backend.add_feed("main", feed, 480, lambda: (0, start_ns))
        listener = Listener()
        session = await listener.join(server.backend)
        await hear(listener)
        assert {p.ssrc for p in listener.rtp} == {session.ssrc}
        # Long before the process would tell by itself.
        heard = len(listener.rtp)
        await server.backend.refresh("main")
        assert session.info().counters["packets"] >= heard
        owner = server.backend._owner
        assert isinstance(owner, BroadcastSupervisor)
        assert owner.pid is not None
        os.kill(owner.pid, signal.SIGKILL)
        await until(lambda: session.state is State.CLOSED)
        assert session.close_reason == "broadcast-lost"
        assert server.backend.broadcast is None
        with monkeypatch.context() as hurried:
            hurried.setattr(oneport, "SERVING_S", 0.001)
            with pytest.raises(PeerError) as between:
                await server.backend.open("main", small(), REQUEST)
        assert (between.value.status, between.value.retry_after_s) == (503, 1)
        await listener.close()
        again = Listener()
        await again.join(server.backend)
        await hear(again)
        await again.close()
    feed.close()
    writer.close()


async def test_a_listener_that_cannot_be_added_is_ended() -> None:
    async with serving() as server:
        listener = Listener()

        def refuse(spec: ListenerSpec) -> None:
            raise ValueError("not safe")

        server.backend.broadcast.add_listener = refuse  # type: ignore[union-attr,method-assign]
        await listener.pc.setLocalDescription(await listener.pc.createOffer())
        session = await server.backend.open("main", listener.pc.localDescription.sdp, REQUEST)
        assert isinstance(session, OnePortSession)
        await listener.pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        await until(lambda: session.state is State.CLOSED)
        assert session.close_reason == "refused"
        assert not server.endpoint.peers
        await listener.close()


async def test_before_the_port_is_open_nobody_is_answered() -> None:
    server = Server()
    with pytest.raises(PeerError) as early:
        await server.backend.open("main", small(), REQUEST)
    assert early.value.status == 503
    await server.endpoint.start(0)
    await server.backend.start()
    await server.backend.open("main", small(), REQUEST)
    await server.backend.close()


async def test_a_session_tells_that_it_asked_for_too_much() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        assert "over_budget" not in session.info().counters
        nack = rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=session.ssrc, lost=list(range(0, 17 * 40, 17)))
        for _ in range(2 * NUMBERS.burst // 40):
            await listener.dtls._send_rtp(bytes(nack))
        await until(lambda: session.info().counters.get("over_budget"))
        assert server.endpoint.counters["over_numbers"] == session.info().counters["over_budget"]
        await listener.close()


async def test_health_tells_when_joins_wait() -> None:
    async with serving() as server:
        said = server.backend.health()
        assert (said["status"], said["waiting"]) == ("ok", "")
        owner = server.backend.broadcast
        assert isinstance(owner, InThisProcess)
        owner.unread_ns = 2_300_000_000
        said = server.backend.health()
        assert (said["status"], said["joins_wait_ms"]) == ("degraded", 2300)
        assert said["waiting"] == "Joins wait: the broadcast process has not read its messages since 2.3 s."
        owner.unread_ns = 0
        # The event loop has not had a turn: what was sent meanwhile is not read.
        time.sleep(1.2)  # noqa: ASYNC251 -- the loop is to be held up
        said = server.backend.health()
        assert said["status"] == "degraded"
        assert "datagrams have not been read" in str(said["waiting"])
        await until(lambda: server.backend.health()["status"] == "ok")


async def test_health_counts() -> None:
    async with serving() as server:
        listener = Listener()
        await listener.join(server.backend)
        await server.backend.open("main", small(), REQUEST)
        health = server.backend.health()
        assert health["transport"] == "one-port"
        assert (health["sessions"], health["connecting"], health["connected_now"]) == (2, 1, 1)
        assert health["media_port"] == server.endpoint.port.port
        await listener.close()


async def test_each_line_about_a_session_names_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the transport, which knows no sessions, too. By the public name: the id would let anyone end it."""
    caplog.set_level("INFO")
    about: dict[str, Mapping[str, str]] = {}

    class Seen(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            about[record.getMessage().partition(" after")[0]] = logs.concern()
            return True

    def fail(*arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    caplog.handler.addFilter(seen := Seen())
    try:
        async with serving() as server:
            listener = Listener(data=True)
            session = await listener.join(server.backend)
            expected = {"room": "main", "session": session.public_id}
            assert about["connected"] == expected
            channel = listener.channel
            assert channel is not None
            await until(lambda: channel.readyState == "open")
            monkeypatch.setattr(TransportPeer, "take", fail)
            channel.send("anything")
            await until(lambda: session.state is State.CLOSED)
            assert about["ended"] == expected
            assert (
                about["an error while handling a peer's datagram ended that peer; more are counted"]
                == expected
            )
            assert logs.concern() == {}
            await listener.close()
    finally:
        caplog.handler.removeFilter(seen)
    assert session.id not in caplog.text


async def test_joins_are_timed_and_those_that_fail_are_counted() -> None:
    joined: list[tuple[str, float | None]] = []
    async with serving() as server:
        server.backend.on_joined = lambda session: joined.append((session.room, session.joined_s))
        listener = Listener()
        before = monotonic_ns()
        session = await listener.join(server.backend)
        took = (monotonic_ns() - before) / 1e9
        ((room, seconds),) = joined
        assert room == "main"
        assert seconds is not None
        assert 0 < seconds <= took
        assert server.backend.connected() == [session]
        another = await server.backend.open("main", small(), REQUEST)
        assert server.backend.connected() == [session]
        await another.close()
        await session.close()
        assert server.backend.unconnected == {"deleted": 1}
        assert server.backend.counters["ended_deleted"] == 2
        await listener.close()

"""Listeners on TCP: a stock aiortc client whose packets go by TCP alone, and an engine that writes on its stream."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiortc import rtp

from rtcserver.clock import monotonic_ns, ns_to_samples
from rtcserver.encode.packet import EncodedPacket
from rtcserver.peer.oneport import supervised
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import lose_broadcast, serving
from tests.sdp.offers import small
from tests.transport.stock import WAIT_S, on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


async def test_a_listener_hears_the_room_by_tcp() -> None:
    async with serving() as server:
        listener = Listener(data=True, tcp=True)
        session = await listener.join(server.backend)
        payloads = server.play(20)
        await until(lambda: len(listener.rtp) == 20)
        assert [packet.payload for packet in listener.rtp] == payloads
        assert session.info().details["path"] == "tcp"
        assert server.endpoint.counters["tcp_handed_over"] == 1
        # Checks, DTLS and SCTP go on over it, and the end is told there, too.
        assert listener.channel is not None
        await until(lambda: listener.channel.readyState == "open")
        await session.close()
        await until(lambda: listener.dtls.state == "closed")
        assert isinstance(rtp.RtcpPacket.parse(listener.rtcp[-1])[-1], rtp.RtcpByePacket)
        await until(lambda: len(server.endpoint.streams) == 0)
        assert len(server.engine.streams) == 0
        await listener.close()


async def test_by_udp_the_path_says_so() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        assert session.info().details["path"] == "udp"
        assert len(server.endpoint.streams) == 0
        await listener.close()


async def test_a_page_tells_that_a_relay_stands_between_and_is_believed_until_the_path_changes() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        session.page_said({"relayed": 1.0})
        assert session.info().details["path"] == "relay"
        session.page_said({"packets": 5.0})
        assert session.info().details["path"] == "relay"
        session.page_said({"relayed": 0.0})
        assert session.info().details["path"] == "udp"
        await listener.close()


async def test_nothing_is_sent_twice_on_tcp() -> None:
    async with serving() as server:
        listener = Listener(tcp=True)
        session = await listener.join(server.backend)
        server.play(20)
        await until(lambda: len(listener.rtp) == 20)
        nack = rtp.RtcpRtpfbPacket(fmt=rtp.RTCP_RTPFB_NACK, ssrc=1, media_ssrc=session.ssrc)
        nack.lost = [listener.rtp[5].sequence_number]
        await listener.dtls._send_rtp(bytes(nack))
        await until(lambda: session.info().counters.get("nacked_reliable"))
        counted = server.engine.counters(session.listener_id)
        assert counted is not None
        assert counted.retransmits == 0
        assert "nacked" not in session.info().counters
        await listener.close()


async def test_without_tcp_the_answer_offers_none() -> None:
    async with serving() as server:
        with_tcp = (await server.backend.open("main", small(), REQUEST)).answer
        server.endpoint.tcp_port = 0
        without = (await server.backend.open("main", small(), REQUEST)).answer
    assert ("tcptype passive" in with_tcp, "tcptype" in without) == (True, False)
    lines = [line for line in with_tcp.split("\r\n") if line.startswith("a=candidate")]
    assert [line.split()[2] for line in lines] == ["udp", "tcp"]


async def test_one_process_writes_a_stream_and_when_it_ends_the_stream_does() -> None:
    """The broadcast process gets the connection itself; what the server says goes there, and nothing is torn."""
    feed, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    start_ns = monotonic_ns()

    async with serving(own_broadcast=supervised) as server:
        server.backend.add_feed("main", feed, 480, lambda: (0, start_ns))
        listener = Listener(data=True, tcp=True)
        session = await listener.join(server.backend)
        async with asyncio.timeout(WAIT_S):
            while sum(packet.payload.startswith(b"packet") for packet in listener.rtp) < 50:
                media_time = ns_to_samples(monotonic_ns() - start_ns) // 480 * 480
                writer.send(EncodedPacket(media_time, 480, monotonic_ns(), 0, b"packet").pack())
                await asyncio.sleep(0.01)
        assert listener.channel is not None
        await until(lambda: listener.channel.readyState == "open")
        await lose_broadcast(server, session)
        assert len(server.endpoint.streams) == 0
        await listener.close()
    feed.close()
    writer.close()

"""Listeners without Opus on the one port: stock aiortc with one codec each, and a broadcast engine in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from rtcserver.clock import NS
from rtcserver.encode.encoding import encodings_of
from rtcserver.encode.packet import EncodedPacket
from rtcserver.errors import PeerError
from rtcserver.peer.feedback import Feedback
from rtcserver.sdp.offer import check_offer
from rtcserver.transport.rtcp import ReportBlock
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import serving
from tests.sdp.test_telephony import offering
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


def only(listener: Listener, *names: str) -> None:
    """Let a listener offer these codecs."""
    capable = RTCRtpReceiver.getCapabilities("audio")
    assert capable is not None
    listener.pc.getTransceivers()[0].setCodecPreferences(
        [codec for name in names for codec in capable.codecs if codec.mimeType == f"audio/{name}"]
    )


@pytest.mark.parametrize(
    ("names", "name", "encoding", "payload_type"),
    [
        (("PCMU",), "PCMU/8000", "pcmu", 0),
        (("PCMA", "PCMU"), "PCMA/8000", "pcma", 8),
        (("PCMU", "G722"), "G722/8000", "g722", 9),
    ],
)
async def test_a_listener_gets_its_codec_on_the_rooms_timeline(
    names: tuple[str, ...], name: str, encoding: str, payload_type: int
) -> None:
    wanted: list[tuple[str, Collection[str]]] = []
    async with serving(encodings=lambda room: encodings_of(160_000, 480)) as server:
        server.backend.on_demand = lambda room, encodings: wanted.append((room, encodings))
        listener = Listener()
        only(listener, *names)
        session = await listener.join(server.backend)
        assert (session.codec.payload_name, session.encoding) == (name, encoding)
        assert wanted == [("main", {encoding})]
        assert "a=ptime:20\r\n" in session.answer
        assert session.details["codec"] == name
        begin = 2**32 - 960 * 4
        times = range(begin - begin % 960, begin + 960 * 6, 960)
        for time in times:
            # The room's own packets are nothing for it.
            server.engine.send("main", EncodedPacket(time, 480, 1, 0, b"opus"))
            server.engine.send("main", EncodedPacket(time, 960, 1, 0, bytes(160)), encoding)
        await until(lambda: len(listener.rtp) == len(times))
        assert {packet.payload for packet in listener.rtp} == {bytes(160)}
        assert {packet.payload_type for packet in listener.rtp} == {payload_type}
        # PROTOCOL.md, "Time": brought to 48 kHz, a timestamp is media time and the session's offset.
        assert [packet.timestamp * 6 % 2**32 for packet in listener.rtp] == [
            (time + session.rtp_offset) % 2**32 for time in times
        ]
        # It stays with its codec, whatever somebody wishes for it.
        with pytest.raises(PeerError, match="no tier 'low'"):
            session.pin("low")
        assert (session.encoding, server.engine.kind_of(session.listener_id)) == (encoding, encoding)
        await listener.close()
        await until(lambda: not server.backend.sessions())


async def test_one_encoding_serves_all_that_need_it() -> None:
    wanted: list[Collection[str]] = []
    async with serving() as server:
        server.backend.on_demand = lambda room, encodings: wanted.append(encodings)
        sessions = [
            await server.backend.open("main", offering(formats), REQUEST)
            for formats in ("0", "0 8", "8", "0 101")
        ]
        assert wanted == [{"pcmu"}, {"pcmu", "pcma"}]
        for session in sessions:
            await session.close()


async def test_opus_is_what_whoever_offers_it_gets() -> None:
    async with serving() as server:
        listener = Listener()
        only(listener, "PCMU", "G722", "opus")
        session = await listener.join(server.backend)
        assert (session.codec.name, session.encoding) == ("opus", "opus")
        await listener.close()


async def test_an_offer_with_nothing_that_can_be_sent_is_told_what_is_missing() -> None:
    async with serving() as server:
        with pytest.raises(PeerError) as caught:
            await server.backend.open("main", offering("18"), REQUEST)
        assert (caught.value.status, caught.value.code) == (422, "no_codec")
        assert "opus/48000/2, G722/8000, PCMU/8000 and PCMA/8000" in str(caught.value)
        assert server.backend.sessions() == []


async def test_studio_needs_opus() -> None:
    async with serving() as server:
        with pytest.raises(PeerError) as caught:
            await server.backend.open("main", offering("0 8 9"), replace(REQUEST, mode="studio"))
        assert (caught.value.status, caught.value.code) == (422, "no_opus")


def test_jitter_in_a_slower_clock_is_the_same_time() -> None:
    """RFC 3550, section 6.4.1: a report's jitter is in timestamp units, here eighths of a millisecond."""
    counters, said = Counter[str](), dict[str, object]()
    feedback = Feedback(1_000, counters, Counter(), said, clock_step=6)
    feedback.packets_per_s, feedback.connected_ns = 50, NS
    block = ReportBlock(
        ssrc=1, fraction_lost=0, lost=0, highest_sequence=1_049, jitter=40, last_sr=0, delay_since_sr=0
    )
    (reception,) = feedback.reports([block], 3 * NS, 0)
    assert reception.jitter == 240
    assert said["jitter_ms"] == 5.0
    assert counters["jitter_48k"] == 240


@pytest.mark.parametrize("attributes", [(), ("a=rtcp-fb:0 nack",)])
async def test_asking_again_is_agreed_where_it_is_offered(
    attributes: tuple[str, ...],
) -> None:
    async with serving() as server:
        text = offering("0", *attributes)
        session = await server.backend.open("main", text, REQUEST)
        assert ("a=rtcp-fb:0 nack" in session.answer) == bool(attributes)
        assert check_offer(text).red_payload_type is None
        await session.close()

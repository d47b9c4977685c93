"""What listeners on the one port report and ask for, and what they get for it."""

from __future__ import annotations

import re

import pytest
from aiortc import rtp

from rtcserver.broadcast.listener import redundant_kind
from rtcserver.clock import NS
from rtcserver.encode.packet import EncodedPacket
from rtcserver.peer import oneport
from rtcserver.peer.oneport import OnePortSession
from rtcserver.peer.redundancy import Redundancy
from rtcserver.transport.budget import NUMBERS
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import serving
from tests.sdp.offers import load
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


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

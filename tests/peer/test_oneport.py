"""Listeners on the one port, from the offer to the end: a stock aiortc client and our answer."""

from __future__ import annotations

import struct

import pytest
from aiortc import RTCDataChannel, RTCSessionDescription

from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.peer.oneport import OnePortSession
from rtcserver.peer.state import State
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import serving
from tests.sdp.offers import NAMES, load
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


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


@pytest.mark.parametrize("name", NAMES)
async def test_offers_of_real_clients_are_answered(name: str) -> None:
    async with serving() as server:
        session = await server.backend.open("main", load(name), REQUEST)
        assert f" 127.0.0.1 {server.endpoint.port.port} typ host" in session.answer
        assert session.info().state == "connecting"
        assert server.backend.sessions("main") == [session]
        assert server.backend.sessions("other") == []


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

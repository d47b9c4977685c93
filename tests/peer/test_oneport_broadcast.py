"""The broadcast process behind the one port: begun, lost, and what it says of listeners."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import pytest
from aiortc import RTCDataChannel

from rtcserver.clock import monotonic_ns, ns_to_samples
from rtcserver.encode.packet import EncodedPacket
from rtcserver.errors import PeerError
from rtcserver.peer import oneport
from rtcserver.peer.oneport import RETURN_PACE_MS, supervised
from rtcserver.peer.state import State
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import InThisProcess, lose_broadcast, serving
from tests.sdp.offers import small
from tests.transport.stock import WAIT_S, on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


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
        await lose_broadcast(server, session)
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

"""What a client may change of its session on the one port: ICE restarts and trickled candidates."""

from __future__ import annotations

import asyncio
import struct

import pytest

from rtcserver.errors import PeerError
from rtcserver.peer.limits import SessionLimits
from rtcserver.peer.state import State
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.transport import stun
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import serving
from tests.sdp.offers import small
from tests.transport.raw import answer_to
from tests.transport.stock import WAIT_S, on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


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

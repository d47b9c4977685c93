"""Offers that the one port refuses: too many, of a kind that it does not answer, or before it is open."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from rtcserver.access.admission import RETRY_AFTER_S, Admission, Places
from rtcserver.errors import PeerError
from rtcserver.peer.base import PeerRequest
from rtcserver.peer.limits import SessionLimits
from tests.peer.hearing import REQUEST
from tests.peer.serving import Server, serving
from tests.sdp.offers import load, small
from tests.transport.stock import on_loopback

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


async def test_the_number_of_listeners_is_bounded() -> None:
    async with serving(admission=Admission(Places(listeners=1))) as server:
        session = await server.backend.open("main", small(), REQUEST)
        with pytest.raises(PeerError) as full:
            await server.backend.open("main", small(), REQUEST)
        assert (full.value.status, full.value.code) == (503, "full")
        assert full.value.retry_after_s == RETRY_AFTER_S
        await session.close()
        await server.backend.open("main", small(), REQUEST)


async def test_a_room_has_its_own_bound() -> None:
    async with serving(admission=Admission(Places(listeners_per_room=1))) as server:
        session = await server.backend.open("main", small(), REQUEST)
        with pytest.raises(PeerError, match="The only place of this room is taken"):
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


async def test_before_the_port_is_open_nobody_is_answered() -> None:
    server = Server()
    with pytest.raises(PeerError) as early:
        await server.backend.open("main", small(), REQUEST)
    assert early.value.status == 503
    await server.endpoint.start(0)
    await server.backend.start()
    await server.backend.open("main", small(), REQUEST)
    await server.backend.close()

"""A listener who changes between Listen and Studio has two sessions for a while, and one place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rtcserver.access.admission import Admission, Places
from rtcserver.errors import PeerError
from rtcserver.peer import switching
from rtcserver.peer.base import PeerRequest, PeerSession, public_handle
from rtcserver.peer.oneport import OnePortBackend
from tests.peer.hearing import REQUEST
from tests.peer.serving import serving
from tests.sdp.offers import small
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")

ONE_PLACE = Places(listeners=2, listeners_per_room=1)


def instead_of(session: PeerSession | str) -> PeerRequest:
    return replace(REQUEST, instead=session if isinstance(session, str) else session.id)


async def is_full(backend: OnePortBackend, request: PeerRequest = REQUEST, room: str = "main") -> bool:
    try:
        session = await backend.open(room, small(), request)
    except PeerError as error:
        return error.code == "full"
    await session.close()
    return False


@pytest.mark.parametrize("places", [Places(listeners=1), Places(listeners_per_room=1)])
async def test_the_last_place_may_change_its_session_as_often_as_it_likes(places: Places) -> None:
    async with serving(admission=Admission(places)) as server:
        backend = server.backend
        session = await backend.open("main", small(), REQUEST)
        for _ in range(3):
            other = await backend.open("main", small(), instead_of(session))
            assert await is_full(backend)
            await session.close()
            assert await is_full(backend)
            session = other
        await session.close()
        assert not await is_full(backend)


async def test_a_change_that_fails_leaves_the_place_to_the_first_session() -> None:
    async with serving(admission=Admission(ONE_PLACE)) as server:
        session = await server.backend.open("main", small(), REQUEST)
        other = await server.backend.open("main", small(), instead_of(session))
        await other.close()
        assert await is_full(server.backend)
        other = await server.backend.open("main", small(), instead_of(session))
        await session.close()
        await other.close()
        assert not await is_full(server.backend)


async def test_only_a_session_with_a_place_can_be_left_and_only_for_one_other() -> None:
    async with serving(admission=Admission(ONE_PLACE)) as server:
        backend = server.backend
        session = await backend.open("main", small(), REQUEST)
        other = await backend.open("main", small(), instead_of(session))
        for claim in (session, other, "", "no such session", "x" * 10_000, "é\n"):
            assert await is_full(backend, instead_of(claim))
        # What is shown of a session is no proof that it is one's own.
        assert await is_full(backend, instead_of(public_handle(session.id)))
        # Nor is a session of this room one of another room; that one has a place, and the server has one more for it.
        assert not await is_full(backend, instead_of(session), "side")
        beside = await backend.open("side", small(), REQUEST)
        assert await is_full(backend, instead_of(beside))


async def test_a_session_that_is_not_left_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "SWITCH_S", 0.05)
    async with serving(admission=Admission(ONE_PLACE)) as server:
        session = await server.backend.open("main", small(), REQUEST)
        other = await server.backend.open("main", small(), instead_of(session))
        await until(lambda: server.backend.find(session.id) is None)
        assert server.backend.find(other.id) is other
        assert server.backend.counters["ended_switched"] == 1
        assert await is_full(server.backend)
        assert not await is_full(server.backend, instead_of(other))

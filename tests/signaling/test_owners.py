"""What is wrong with a room is told to who can mend it, in the server's words; listeners are told what it means for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import house
from rtcserver.access.rules import DEFAULT
from rtcserver.server.tokens import TokenStore
from tests.sdp import offers
from tests.signaling.served import Rooms, Served, serve

NEVER_S = 9_999_999_999
WRONG = "/home/ann/grand.sf2 does not exist; name a soundfont in the configuration"
NEAR = {"X-Forwarded-For": "192.168.1.9"}


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrument that is not there."""
    described = Rooms.describe

    def describe(self: Rooms, name: str) -> dict[str, Any]:
        room = described(self, name)
        room["instrument"] |= {"state": "silent", "error": WRONG, "note": "the first track is left out"}
        return room

    monkeypatch.setattr(Rooms, "describe", describe)


async def _told(served: Served, headers: dict[str, str]) -> dict[str, Any]:
    """What the room's page and the list of rooms are told, which is the same."""
    async with served.http.get(served.url("/api/rooms/main"), headers=headers) as response:
        room: dict[str, Any] = await response.json()
    async with served.http.get(served.url("/api/rooms"), headers=headers) as response:
        listed = (await response.json())["rooms"][0]
    assert (listed["owner"], listed["instrument"]) == (room["owner"], room["instrument"])
    return room


async def test_owners_are_told_what_to_mend_and_listeners_what_it_means(static: Path, tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path / "state"))
    authorizer = Authorizer(house(DEFAULT, store.key, store.is_revoked))
    proxies = ["127.0.0.1"]
    async with serve(static, authorizer=authorizer, tokens=store, trusted_proxies=proxies) as served:
        async with served.post("/r/main/whep", offers.small(), headers={"User-Agent": "VLC/3.0"}) as response:
            assert response.status == 201
        for actions, owner in (
            ((), False),
            (("listen", "read"), False),
            (("perform", "read"), True),
            (("admin",), True),
        ):
            token = store.issue(("main",), actions, NEVER_S) if actions else ""
            shown = {"Authorization": f"Bearer {token}"} if token else {}
            room = await _told(served, {**NEAR, **shown})
            instrument = room["instrument"]
            assert room["owner"] is owner, actions
            (session,) = room["sessions"]
            assert ("user_agent" in session) is owner
            assert (instrument["state"], instrument["note"] is None) == ("silent", not owner)
            assert instrument["error"] == (WRONG if owner else "It may be switched off or unplugged.")


async def test_whoever_sits_at_the_server_is_its_owner(
    static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(static) as served:
        assert (await _told(served, {}))["owner"]
        # A proxy that is not trusted may stand there for anybody; what it asks for needs a token, too.
        async with served.http.get(served.url("/api/rooms/main"), headers=NEAR) as response:
            assert response.status == 401
        caplog.clear()

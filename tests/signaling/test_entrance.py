"""Every entry asks the door: with no rules at it, nothing of a room comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rtcserver.access.door import Action, Door, Grant, Refusal, Request
from tests.sdp import offers
from tests.signaling.served import serve

ENTRIES = [
    ("GET", "/", Action.READ, None),
    ("GET", "/api/rooms", Action.READ, None),
    ("GET", "/api/rooms/main", Action.READ, "main"),
    ("GET", "/metrics", Action.READ, None),
    ("POST", "/r/main/whep", Action.LISTEN, "main"),
]


@pytest.mark.parametrize(("method", "path", "action", "room"), ENTRIES)
async def test_an_entry_asks_for_its_action_with_what_is_shown(
    static: Path, method: str, path: str, action: Action, room: str | None
) -> None:
    asked: list[Request] = []

    def never(request: Request, now_s: float) -> Refusal:
        assert now_s > 1_700_000_000
        asked.append(request)
        return Refusal(401, "no_token", "Show something.")

    door = Door(dict.fromkeys(Action, never))
    headers = {"Authorization": "Bearer a.token", "Content-Type": "application/sdp"}
    async with (
        serve(static, door=door) as served,
        served.http.request(method, served.url(path), data=offers.small(), headers=headers) as response,
    ):
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="rtcserver"'
        assert (await response.json())["error"] == "no_token"
        assert served.backend.sessions() == []
    # A session that is to be has a name of its own, which nobody knows yet.
    assert [replace(one, session="") for one in asked] == [Request(action, room, "a.token", "127.0.0.1")]
    assert [bool(one.session) for one in asked] == [action is Action.LISTEN]


async def test_health_and_scripts_are_for_whoever_asks(static: Path) -> None:
    async with serve(static, door=Door({})) as served:
        for path in ("/healthz", "/static/room.html", "/r/main"):
            async with served.http.get(served.url(path)) as response:
                assert response.status == 200


async def test_other_schemes_than_bearer_show_nothing(static: Path) -> None:
    asked: list[str] = []

    def note(request: Request, now_s: float) -> Grant:
        asked.append(request.credential)
        return Grant()

    async with serve(static, door=Door({Action.READ: note})) as served:
        for header in ("Basic YTpi", "bearer t", "Bearer", "BEARER  u "):
            async with served.http.get(
                served.url("/api/rooms"), headers={"Authorization": header}
            ) as response:
                assert response.status == 200
    assert asked == ["", "t", "", "u"]

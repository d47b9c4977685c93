"""The administrators' API: sessions are seen and ended, tokens are seen and revoked, by whoever may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import house
from rtcserver.access.rules import DEFAULT
from rtcserver.peer.base import public_handle
from rtcserver.server.lapse import Lapses
from rtcserver.server.tokens import TokenStore
from tests.sdp import offers
from tests.signaling.served import Served, serve

NEVER_S = 9_999_999_999


@dataclass
class House:
    served: Served
    tokens: TokenStore
    lapses: Lapses

    def token(self, *actions: str, rooms: tuple[str, ...] = ("*",)) -> dict[str, str]:
        """A header with a token for these actions."""
        return {"Authorization": f"Bearer {self.tokens.issue(rooms, actions, NEVER_S, 'Ann')}"}

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        async with self.served.http.request(method, self.served.url(path), headers=headers) as response:
            return response.status, await response.json()

    async def listen(self, headers: dict[str, str] | None = None) -> str:
        """A session's public name."""
        async with self.served.post("/r/main/whep", offers.small(), headers=headers or {}) as response:
            assert response.status == 201, await response.text()
            return public_handle(response.headers["Location"].rpartition("/")[2])


@pytest.fixture
async def place(static: Path, tmp_path: Path) -> AsyncIterator[House]:
    """Listening takes a token in all rooms but for private networks, as out of the box."""
    store = TokenStore(str(tmp_path / "state"))
    authorizer = Authorizer(house(DEFAULT[1:], store.key, store.is_revoked))
    async with serve(static, authorizer=authorizer, tokens=store) as served:
        yield House(served, store, Lapses(authorizer, served.backend, lambda: None))


PATHS = [
    ("GET", "/api/sessions"),
    ("DELETE", "/api/sessions/x"),
    ("GET", "/api/tokens"),
    ("DELETE", "/api/tokens/x"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nobody_else_does_any_of_it(place: House, method: str, path: str) -> None:
    assert (await place.ask(method, path))[0] == 401
    status, said = await place.ask(method, path, place.token("listen", "read", "perform"))
    assert (status, said["error"]) == (403, "bad_token")
    status, said = await place.ask(method, path, place.token("admin", rooms=("main",)))
    assert (status, said["error"]) == (403, "bad_token")
    assert (await place.ask(method, path, place.token("admin")))[0] == (404 if method == "DELETE" else 200)


async def test_a_session_is_seen_with_its_ground_and_ended(place: House) -> None:
    name = await place.listen(place.token("listen"))
    token_id = next(iter(place.tokens.listed()))
    admin = place.token("admin")
    status, said = await place.ask("GET", "/api/sessions", admin)
    assert status == 200
    (seen,) = said["sessions"]
    assert {key: seen[key] for key in ("id", "room", "address", "by", "name")} == {
        "id": name,
        "room": "main",
        "address": "127.0.0.1",
        "by": "token",
        "name": token_id,
    }
    # A room's administrator ends sessions there, and nowhere else.
    assert (await place.ask("DELETE", f"/api/sessions/{name}", place.token("admin", rooms=("side",))))[
        0
    ] == 403
    assert len(place.served.backend.sessions()) == 1
    ended = await place.ask("DELETE", f"/api/sessions/{name}", place.token("admin", rooms=("main",)))
    assert ended == (200, {"ended": name})
    assert place.served.backend.sessions() == []
    assert (await place.ask("DELETE", f"/api/sessions/{name}", admin))[0] == 404


@pytest.mark.parametrize("by", ["the API", "the command line"])
async def test_a_revoked_token_ends_what_it_opened_and_nothing_else(place: House, by: str) -> None:
    await place.listen(place.token("listen"))
    gone = next(iter(place.tokens.listed()))
    stays = await place.listen(place.token("listen"))
    place.lapses.look()
    assert len(place.served.backend.sessions()) == 2
    if by == "the API":
        assert await place.ask("DELETE", f"/api/tokens/{gone}", place.token("admin")) == (
            200,
            {"revoked": gone},
        )
        _, said = await place.ask("GET", "/api/tokens", place.token("admin"))
        entry = next(one for one in said["tokens"] if one["id"] == gone)
        assert entry == {
            "id": gone,
            "name": "Ann",
            "rooms": ["*"],
            "actions": ["listen"],
            "expires_s": NEVER_S,
            "revoked": True,
        }
    else:
        TokenStore(str(place.tokens.folder)).revoke(gone)
    place.lapses.look()
    assert [public_handle(session.id) for session in place.served.backend.sessions()] == [stays]


async def test_a_token_that_ends_takes_its_session_along(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.listen(place.token("listen"))
    now = NEVER_S * 1_000_000_000
    monkeypatch.setattr("rtcserver.access.authorizer.wall_ns", lambda: now - 1_000_000_000)
    place.lapses.look()
    assert len(place.served.backend.sessions()) == 1
    monkeypatch.setattr("rtcserver.access.authorizer.wall_ns", lambda: now)
    place.lapses.look()
    assert place.served.backend.sessions() == []


async def test_a_list_that_cannot_be_read_is_said(place: House) -> None:
    admin = place.token("admin")
    assert (await place.ask("GET", "/api/tokens", admin))[0] == 200
    (place.tokens.folder / "tokens.json").write_text("{")
    # Nobody comes in by a link then, administrators neither.
    assert (await place.ask("GET", "/api/tokens", admin))[0] == 403


async def test_tokens_that_cannot_be_written_are_503_with_a_time_to_come_again(place: House) -> None:
    gone = place.tokens.issue(("main",), ("listen",), NEVER_S, "Bert")
    token_id = next(i for i, entry in place.tokens.listed().items() if entry["name"] == "Bert")
    headers = place.token("admin")
    assert place.tokens.folder is not None
    (place.tokens.folder / "tokens.json.new").mkdir()
    async with place.served.http.delete(
        place.served.url(f"/api/tokens/{token_id}"), headers=headers
    ) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert gone not in await response.text()
    assert not place.tokens.is_revoked(token_id)

"""The performer's desk by its API: who is there is told to performers alone, who mute, remove and invite within bounds."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import house
from rtcserver.access.rules import DEFAULT, AccessRule
from rtcserver.access.token import read
from rtcserver.clock import NS, wall_ns
from rtcserver.errors import PeerError
from rtcserver.peer.base import public_handle
from rtcserver.room.people import Known
from rtcserver.server.tokens import TokenStore
from signaling import invitations, people
from signaling.whose import Allowed
from tests.sdp import offers
from tests.signaling.served import Served, serve

NEVER_S = 9_999_999_999
PEOPLE = "/api/rooms/main/people"
INVITE = "/api/rooms/main/invitations"
PERFORMER = ("listen", "read", "perform")


@dataclass
class Desks:
    """What a desk would know: a performer is whoever is named here."""

    performers: dict[str, Known] = field(default_factory=dict)
    muted: list[tuple[str, bool]] = field(default_factory=list)

    def known(self, room: str, session_id: str) -> Known | None:
        return self.performers.get(public_handle(session_id))

    def mute(self, room: str, session_id: str, on: bool) -> None:
        if public_handle(session_id) not in self.performers:
            raise PeerError(409, "no_performer", "Only who performs can be muted.")
        self.muted.append((public_handle(session_id), on))


@dataclass
class House:
    served: Served
    tokens: TokenStore
    desks: Desks

    def token(
        self, *actions: str, rooms: tuple[str, ...] = ("main",), ends_s: int = NEVER_S
    ) -> dict[str, str]:
        """A header with a token for these actions."""
        return {"Authorization": f"Bearer {self.tokens.issue(rooms, actions, ends_s, 'Ann')}"}

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[int, Any]:
        url = self.served.url(path)
        async with self.served.http.request(method, url, headers=headers, json=body) as response:
            return response.status, await response.json()

    async def listen(self, headers: dict[str, str] | None = None, agent: str = "VLC/3.0") -> str:
        """A session's public name; "" with a refusal."""
        shown = {"User-Agent": agent, **(headers or {})}
        async with self.served.post("/r/main/whep", offers.small(), headers=shown) as response:
            if response.status != 201:
                assert (response.status, (await response.json())["error"]) == (403, "removed")
                return ""
            return public_handle(response.headers["Location"].rpartition("/")[2])


@pytest.fixture
async def place(static: Path, tmp_path: Path) -> AsyncIterator[House]:
    store, desks = TokenStore(str(tmp_path / "state")), Desks()
    authorizer = Authorizer(house(DEFAULT, store.key, store.is_revoked))
    allowed = Allowed()
    async with serve(static, authorizer=authorizer, tokens=store, desks=desks, allowed=allowed) as served:
        yield House(served, store, desks)


PATHS = [("GET", PEOPLE), ("POST", f"{PEOPLE}/x/mute"), ("POST", f"{PEOPLE}/x/remove"), ("POST", INVITE)]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_listeners_may_do_none_of_it(place: House, method: str, path: str) -> None:
    status, said = await place.ask(method, path)
    assert (status, said["error"]) == (401, "no_token")
    status, said = await place.ask(method, path, place.token("listen", "read"))
    assert (status, said["error"]) == (403, "bad_token")
    status, said = await place.ask(method, path, place.token(*PERFORMER, rooms=("side",)))
    assert (status, said["error"]) == (403, "bad_token")
    performer = place.token(*PERFORMER)
    expected = {PEOPLE: 200, INVITE: 201}.get(path, 404)
    assert (await place.ask(method, path, performer))[0] == expected
    # A page of another origin can neither do it nor read it.
    foreign = {**performer, "Origin": "https://elsewhere.example"}
    if method == "POST":
        status, said = await place.ask(method, path, foreign)
        assert (status, said["error"]) == (403, "wrong_origin")
    else:
        async with place.served.http.get(place.served.url(path), headers=foreign) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_the_list_tells_of_everybody_and_shows_no_secret(place: House) -> None:
    name = await place.listen(place.token("listen"), agent="VLC/3.0 <b>\u202e" + "x" * 5_000)
    place.desks.performers[name] = Known("Ada", 3)
    status, said = await place.ask("GET", PEOPLE, place.token(*PERFORMER))
    assert (status, said["total"], said["admin"]) == (200, 1, False)
    (row,) = said["people"]
    assert (row["id"], row["name"], row["role"], row["browser"]) == (name, "Ada", "performer", "VLC 3")
    assert (await place.ask("GET", PEOPLE, place.token("admin")))[1]["admin"]


async def test_who_is_removed_goes_and_does_not_come_back_by_itself(
    place: House, caplog: pytest.LogCaptureFixture
) -> None:
    name = await place.listen()
    stays = await place.listen(place.token("listen"), agent="curl/8")
    with caplog.at_level(logging.INFO, "signaling.people"):
        said = await place.ask("POST", f"{PEOPLE}/{name}/remove", place.token(*PERFORMER))
    assert said == (200, {"removed": name, "keep_out_s": 0})
    assert [public_handle(one.id) for one in place.served.backend.sessions()] == [stays]
    (line,) = [record for record in caplog.records if record.name == "signaling.people"]
    assert line.getMessage().startswith("removed by token ")
    caplog.clear()
    assert await place.listen() == ""
    assert await place.listen(agent="mpv 0.35") != ""
    status, refused = await place.ask("POST", f"{PEOPLE}/{name}/remove", place.token(*PERFORMER))
    assert (status, refused["error"]) == (404, "no_such_session")


async def test_nobody_is_kept_out_from_ones_own_address(place: House) -> None:
    name = await place.listen()
    path = f"{PEOPLE}/{name}/remove"
    status, said = await place.ask("POST", path, place.token(*PERFORMER), {"keep_out": True})
    assert (status, said["error"]) == (409, "own_address")
    assert len(place.served.backend.sessions()) == 1


async def test_a_performer_removes_no_administrator(place: House) -> None:
    name = await place.listen(place.token("admin", "listen"))
    other = await place.listen(place.token("listen"), agent="mpv 0.35")
    place.desks.performers[other] = Known("Root", 3, admin=True)
    performer, admin = place.token(*PERFORMER), place.token("admin")
    for one in (name, other):
        for deed in ("remove", "mute"):
            status, said = await place.ask("POST", f"{PEOPLE}/{one}/{deed}", performer)
            assert (status, said["error"]) == (403, "is_admin"), (one, deed)
    assert len(place.served.backend.sessions()) == 2
    assert (await place.ask("POST", f"{PEOPLE}/{name}/remove", admin))[0] == 200


async def test_only_performers_are_muted(place: House) -> None:
    name, performer = await place.listen(), place.token(*PERFORMER)
    status, said = await place.ask("POST", f"{PEOPLE}/{name}/mute", performer)
    assert (status, said["error"]) == (409, "no_performer")
    place.desks.performers[name] = Known("Ada", 3)
    assert await place.ask("POST", f"{PEOPLE}/{name}/mute", performer) == (200, {"id": name, "muted": True})
    assert (await place.ask("POST", f"{PEOPLE}/{name}/mute", performer, {"on": False}))[0] == 200
    assert place.desks.muted == [(name, True), (name, False)]


@pytest.mark.parametrize("body", [[], {"on": 1}, {"on": "yes"}])
async def test_what_is_no_request_is_said_to_be_none(place: House, body: Any) -> None:
    name, performer = await place.listen(), place.token(*PERFORMER)
    place.desks.performers[name] = Known("Ada", 3)
    status, said = await place.ask("POST", f"{PEOPLE}/{name}/mute", performer, body)
    assert (status, said["error"]) == (400, "malformed")
    for wrong in (
        {"role": "admin"},
        {"role": []},
        {"hours": 0},
        {"hours": 1e9},
        {"hours": True},
        {"name": 3},
    ):
        status, said = await place.ask("POST", INVITE, performer, wrong)
        assert (status, said["error"]) == (400, "malformed"), wrong


async def test_deeds_and_lists_are_bounded(place: House, monkeypatch: pytest.MonkeyPatch) -> None:
    performer = place.token(*PERFORMER)
    for method, path, often in (
        ("POST", f"{PEOPLE}/x/remove", people.DEEDS_PER_MINUTE),
        ("GET", PEOPLE, people.LISTS_PER_MINUTE),
        ("POST", INVITE, invitations.PER_MINUTE),
    ):
        found = [(await place.ask(method, path, performer))[0] for _ in range(often + 5)]
        assert 429 in found[often:], path
        assert 429 not in found[:often], path


@pytest.mark.parametrize("role", ["listen", "perform"])
async def test_an_invitation_is_a_link_that_does_no_more_than_its_role(place: House, role: str) -> None:
    before_s = wall_ns() / NS
    asked = {"role": role, "hours": 2, "name": "Béla\u202e <b>" + "x" * 100}
    status, said = await place.ask("POST", INVITE, place.token(*PERFORMER), asked)
    assert status == 201
    path, _, text = said["path"].partition(f"#{role}=")
    token = read(place.tokens.key, text)
    assert path == "r/main"
    assert token is not None
    assert token.rooms == ("main",)
    assert set(token.actions) == {"listen", "read"} | ({"perform"} if role == "perform" else set())
    assert before_s + 7_198 <= token.expires_s == said["expires_s"] <= wall_ns() / NS + 7_200
    name = place.tokens.listed()[token.id]["name"]
    assert name.startswith("Béla")
    assert len(name) <= 32
    assert name.isprintable()
    shown = {"Authorization": f"Bearer {text}"}
    assert await place.listen(shown) != ""
    assert (await place.ask("GET", PEOPLE, shown))[0] == (200 if role == "perform" else 403)


async def test_no_invitation_outlives_or_outdoes_who_made_it(place: House) -> None:
    soon_s = int(wall_ns() / NS) + 60
    inviter = place.token(*PERFORMER, ends_s=soon_s)
    _, said = await place.ask("POST", INVITE, inviter, {"hours": 24})
    assert said["expires_s"] == soon_s
    # May perform, but listens only since they are near: nobody elsewhere is let in by that.
    status, said = await place.ask("POST", INVITE, place.token("perform"), {"role": "listen"})
    assert (status, said["error"]) == (403, "bad_token")
    assert (await place.ask("POST", INVITE, place.token("admin")))[0] == 403


async def test_who_is_let_in_by_their_network_invites_nobody(static: Path, tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path / "state"))
    rules = (AccessRule(PERFORMER), AccessRule(PERFORMER, token=True))
    async with serve(
        static, authorizer=Authorizer(house(rules, store.key, store.is_revoked)), tokens=store
    ) as served:
        place = House(served, store, Desks())
        assert (await place.ask("GET", PEOPLE))[0] == 200
        status, said = await place.ask("POST", INVITE)
        assert (status, said["error"]) == (401, "no_token")
        assert store.listed() == {}


async def test_with_a_link_end_the_invitations_that_were_made_by_it(place: House) -> None:
    inviter = place.token(*PERFORMER)
    parent = next(iter(place.tokens.listed()))
    _, said = await place.ask("POST", INVITE, inviter, {"role": "perform"})
    child = {"Authorization": "Bearer " + said["path"].partition("=")[2]}
    _, said = await place.ask("POST", INVITE, child, {"role": "perform"})
    grandchild = {"Authorization": "Bearer " + said["path"].partition("=")[2]}
    assert (await place.ask("GET", PEOPLE, grandchild))[0] == 200
    place.tokens.revoke(parent)
    for shown in (inviter, child, grandchild):
        status, refused = await place.ask("GET", PEOPLE, shown)
        assert (status, refused["message"]) == (403, "This link has been revoked.")


async def test_an_inviter_has_only_so_many_that_are_valid(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MAX_VALID", 2)
    inviter = place.token(*PERFORMER)
    found = [(await place.ask("POST", INVITE, inviter))[0] for _ in range(3)]
    assert found == [201, 201, 429]
    assert (await place.ask("POST", INVITE, place.token(*PERFORMER)))[0] == 201

"""Basic authentication: for players that know nothing else, offered beside bearer tokens, never to scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import house
from rtcserver.access.logins import Logins
from rtcserver.access.rules import AccessRule
from rtcserver.access.users import NOBODY, User, hashed
from signaling.headers import basic_of
from tests.sdp import offers
from tests.signaling.served import SECRET, Served, serve

RULES = (AccessRule(("listen", "read"), token=True),)
ANNA = User("anna", hashed("correct: horse"), ("listen",), ("main",))
BOTH = 'Bearer realm="rtcserver", Basic realm="rtcserver", charset="UTF-8"'


@pytest.fixture
async def door(static: Path) -> AsyncIterator[tuple[Served, Authorizer]]:
    logins = Logins([ANNA])
    authorizer = Authorizer(house(RULES, SECRET, users=[ANNA]), logins)
    async with serve(static, authorizer=authorizer) as served:
        yield served, authorizer
    logins.close()


async def status_of(
    served: Served, password: str, room: str = "main", user: str = "anna"
) -> tuple[int, str, str]:
    headers = {"Authorization": aiohttp.encode_basic_auth(user, password, "utf-8")}
    async with served.post(f"/r/{room}/whep", offers.small(), headers=headers) as response:
        said = {} if response.status == 201 else await response.json()
        return response.status, said.get("error", ""), response.headers.get("WWW-Authenticate", "")


async def test_a_user_listens_where_they_may(door: tuple[Served, Authorizer]) -> None:
    served, authorizer = door
    assert (await status_of(served, "correct: horse"))[0] == 201
    (session,) = served.backend.sessions()
    assert (session.grant.by, session.grant.name) == ("user", "anna")
    assert authorizer.lapsed(session.grant) == ""
    authorizer.door = house(RULES, SECRET, users=[replace(ANNA, password=NOBODY)])
    assert authorizer.lapsed(session.grant) == "This user has another password now."
    authorizer.door = house(RULES, SECRET)
    assert authorizer.lapsed(session.grant) == "This user is not known here any more."


async def test_the_others_are_told_how_to_show_who_they_are(door: tuple[Served, Authorizer]) -> None:
    served, _ = door
    assert await status_of(served, "wrong horse") == (401, "bad_password", BOTH)
    assert await status_of(served, "correct: horse", user="bert") == (401, "bad_password", BOTH)
    assert await status_of(served, "correct: horse", "side") == (403, "not_for_user", "")
    assert await status_of(served, "wrong", "side") == (401, "bad_password", BOTH)
    async with served.post("/r/main/whep", offers.small()) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, BOTH)
    # The browser would ask whoever looks at the page for a password, again and again.
    async with served.http.get(
        served.url("/api/rooms/main"), headers={"X-Requested-With": "rtcserver"}
    ) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="rtcserver"')


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic YW5uYTpwYTpzcw==", ("anna", "pa:ss")),
        ("basic  w6k6w6k=", ("é", "é")),
        ("Basic YW5uYQ==", ("", "")),
        ("Basic YW5uYTpwYTpzcw", ("", "")),
        ("Basic YW5u!YTpwYTpzcw==", ("", "")),
        ("Basic /zr/", ("", "")),
        ("Basic", ("", "")),
        ("Bearer YW5uYTpwYTpzcw==", ("", "")),
        ("", ("", "")),
    ],
)
def test_the_header_is_read_by_its_rfc(header: str, found: tuple[str, str]) -> None:
    assert basic_of(header) == found

"""``Link`` headers: which servers a listener is told of, with which credentials, and that nobody else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path

import pytest

from rtcserver.access.door import Door, house
from rtcserver.access.rules import AccessRule
from rtcserver.access.token import Token, sign
from rtcserver.clock import NS, wall_ns
from signaling.ice_servers import IceServers, Told, expiring
from tests.sdp import offers
from tests.signaling.served import SECRET, Served, serve

URLS = ("stun:stun.example", "turn:turn.example?transport=udp", "turns:turn.example")
KEY = b"north"
LINK = re.compile(
    r'<(?P<url>[^>]+)>; rel="ice-server"'
    r'(?:; username="(?P<username>[^"]*)"; credential="(?P<credential>[^"]*)"; credential-type="password")?'
)


def test_a_credential_is_what_coturn_computes() -> None:
    """Of ``openssl dgst -sha1 -hmac north -binary`` for the username, in base64."""
    username, credential = expiring(KEY, 1_700_000_000, "ann")
    assert username == "1700000000:ann"
    assert credential == "jeamH6dA5l2I9g3jmieza7CzEDo="
    assert expiring(KEY, 1_700_000_000)[0] == "1700000000"


def test_a_name_differs_from_listener_to_listener() -> None:
    servers = IceServers(URLS, KEY, lifetime_s=600)
    first, second = servers.links(1000.9), servers.links(1000.9)
    assert first[0] == second[0] == '<stun:stun.example>; rel="ice-server"'
    assert first[1] != second[1]
    assert len({LINK.fullmatch(link)["username"] for link in first[1:]}) == 1  # type: ignore[index]
    assert 'username="1600:' in first[1]


def test_a_fixed_password_is_quoted() -> None:
    (link,) = IceServers(("turn:a",), b"", "ann", 'p"q\\r').links(0)
    assert link == (
        '<turn:a>; rel="ice-server"; username="ann"; credential="p\\"q\\\\r"; credential-type="password"'
    )


def test_nothing_that_is_logged_holds_a_secret() -> None:
    assert "north" not in repr(IceServers(URLS, KEY)) + repr(IceServers(URLS, b"", "ann", "north"))


def door(listen: AccessRule) -> Door:
    return house((AccessRule(("read",)), listen), SECRET)


async def options(served: Served, **headers: str) -> list[str]:
    async with served.http.options(served.url("/r/main/whep"), headers=headers) as response:
        assert response.status == 204
        assert "Link" in response.headers["Access-Control-Expose-Headers"]
        links = response.headers.getall("Link", [])
        assert not links or response.headers["Cache-Control"] == "no-store"
        return list(links)


async def test_whoever_may_listen_is_told_before_and_with_the_answer(static: Path) -> None:
    began = wall_ns() // NS
    async with serve(static, ice_servers=Told(IceServers(URLS, KEY, lifetime_s=600))) as served:
        before = await options(served)
        async with served.post("/r/main/whep", offers.small()) as response:
            assert response.status == 201
            after = response.headers.getall("Link")
    for links in (before, after):
        found = [LINK.fullmatch(link) for link in links]
        assert [match and match["url"] for match in found] == list(URLS)
        for match in found[1:]:
            assert match is not None
            expires, _, name = match["username"].partition(":")
            assert began + 600 <= int(expires) <= wall_ns() // NS + 600
            assert name
            code = hmac.new(KEY, match["username"].encode(), hashlib.sha1).digest()
            assert match["credential"] == base64.b64encode(code).decode()


async def test_nobody_else_is_told(static: Path) -> None:
    told = Told(IceServers(URLS, KEY))
    rule = AccessRule(("listen",), token=True)
    token = sign(SECRET, Token("1", ("main",), ("listen",), wall_ns() // NS + 60))
    async with serve(static, door=door(rule), ice_servers=told) as served:
        assert await options(served) == []
        assert await options(served, Authorization="Bearer nonsense") == []
        assert len(await options(served, Authorization=f"Bearer {token}")) == 3
        preflight = {"Access-Control-Request-Method": "POST", "Authorization": f"Bearer {token}"}
        assert await options(served, **preflight) == []
        async with served.post("/r/main/whep", offers.small()) as response:
            assert response.status == 401
            assert "Link" not in response.headers
        async with served.http.options(served.url("/r/nowhere/whep")) as response:
            assert (response.status, "Link" in response.headers) == (204, False)


@pytest.mark.parametrize("servers", [IceServers(), IceServers(("stun:a",))])
async def test_a_page_is_told_to_ask_only_where_there_is_something_to_tell(
    static: Path, servers: IceServers
) -> None:
    async with (
        serve(static, ice_servers=Told(servers)) as served,
        served.http.get(served.url("/r/main")) as response,
    ):
        assert response.content_type == "text/html"
        text = await response.text()
        assert ("rtcserver-ice-servers" in text) == bool(servers.urls)
        assert "<title>Room</title>" in text
        assert len(await options(served)) == len(servers.urls)

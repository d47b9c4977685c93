"""Where the client posts its offer, by the address that it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from rtcserver.client.midi import token_of
from rtcserver.client.whep import (
    AwayError,
    ListenError,
    WhepClient,
    WhepSession,
    endpoint_of,
    retry_after_s,
    split_url,
)
from rtcserver.sdp.fragment import parse_sdpfrag


async def answer(request: web.Request) -> web.Response:
    return web.Response(
        status=201, text="v=0\r\n", content_type="application/sdp", headers={"Location": "one"}
    )


async def full(request: web.Request) -> web.Response:
    raise web.HTTPServiceUnavailable(text="no place", headers={"Retry-After": "7"})


async def asked(request: web.Request) -> web.Response:
    fragment = await request.text()
    assert request.content_type == "application/trickle-ice-sdpfrag"
    assert request.headers["If-Match"] == '"one"'
    parsed = parse_sdpfrag(fragment)
    assert (parsed.ice_ufrag, parsed.ice_pwd, parsed.complete) == ("some", "password" * 3, True)
    return web.Response(status=204)


async def broken(request: web.Request) -> web.Response:
    raise web.HTTPBadGateway


async def only_room(request: web.Request) -> web.Response:
    raise web.HTTPFound("r/main")


async def page(request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html>", content_type="text/html")


@pytest.fixture
async def root() -> AsyncIterator[str]:
    """A server with one room at /montage/, several at /hall/, and another program's endpoint at /listen."""
    app = web.Application()
    app.router.add_get("/montage/", only_room)
    app.router.add_get("/montage/r/main", page)
    app.router.add_post("/montage/r/main/whep", answer)
    app.router.add_get("/hall/", page)
    app.router.add_post("/listen", answer)
    app.router.add_post("/full", full)
    app.router.add_patch("/there", asked)
    app.router.add_patch("/broken", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "endpoint", "resource"),
    [
        ("/montage/", "/montage/r/main/whep", "/montage/r/main/one"),
        ("/montage/#perform=x", "/montage/r/main/whep", "/montage/r/main/one"),
        ("/montage/r/main", "/montage/r/main/whep", "/montage/r/main/one"),
        ("/listen", "/listen", "/one"),
    ],
)
async def test_an_offer_goes_to_the_endpoint_behind_an_address(
    root: str, path: str, endpoint: str, resource: str
) -> None:
    client = WhepClient(5.0)
    session = await client.offer(root + path, "v=0\r\n")
    await client.close()
    assert (session.endpoint, session.resource) == (root + endpoint, root + resource)


@pytest.mark.parametrize("path", ["", "/hall/"])
async def test_a_server_with_no_only_room_is_told(root: str, path: str) -> None:
    client = WhepClient(5.0)
    with pytest.raises(ListenError, match=f"give the URL of a room, as {root}{path.rstrip('/')}/r/NAME"):
        await client.offer(root + path, "v=0\r\n")
    await client.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/r/main",
        "http://x:abc/r/main",
        "http://x:99999/",
        "http://x:0/",
        "http:///r",
        "ftp://x/",
        "x:8080",
    ],
)
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(ListenError, match="is no "):
        split_url(url)
    with pytest.raises(ListenError, match="is no "):
        endpoint_of(url)
    assert token_of(f"{url}#perform=abc") == "abc"


async def test_a_date_to_come_again_is_understood() -> None:
    class Said:
        def __init__(self, value: str) -> None:
            self.headers = {"Retry-After": value}

    assert retry_after_s(Said("7")) == 7  # type: ignore[arg-type]  # headers are all it reads
    assert retry_after_s(Said("")) == retry_after_s(Said("soon")) == 0  # type: ignore[arg-type]
    assert retry_after_s(Said("Wed, 21 Oct 2015 07:28:00 GMT")) == 0  # type: ignore[arg-type]
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 < retry_after_s(Said(later)) <= 90  # type: ignore[arg-type]


async def test_a_server_without_a_place_or_without_an_answer_may_be_tried_again(root: str) -> None:
    client = WhepClient(5.0)
    with pytest.raises(AwayError) as refused:
        await client.offer(f"{root}/full", "v=0\r\n")
    assert (refused.value.again, refused.value.retry_after_s) == (True, 7.0)
    with pytest.raises(AwayError) as away:
        await client.offer("http://127.0.0.1:9/r/main", "v=0\r\n")
    assert (away.value.again, away.value.retry_after_s) == (True, 0.0)
    with pytest.raises(ListenError) as unknown:
        await client.offer(f"{root}/r/none", "v=0\r\n")
    assert not unknown.value.again
    await client.close()


async def test_a_session_is_asked_for_by_saying_again_that_there_are_no_more_candidates(root: str) -> None:
    offer = f"v=0\r\na=ice-ufrag:some\r\na=ice-pwd:{'password' * 3}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    client = WhepClient(5.0)

    def session(resource: str) -> WhepSession:
        return WhepSession("", resource, "", {"ETag": '"one"'})

    places = (f"{root}/there", f"{root}/ended", f"{root}/broken", "http://127.0.0.1:9/", "")
    found = [await client.ask(session(place), offer) for place in places]
    assert found == ["there", "gone", "silent", "silent", "silent"]
    await client.close()

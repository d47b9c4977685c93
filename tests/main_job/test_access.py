"""Links, users and decisions elsewhere in real Chromium: the page says in a sentence what became of its link."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from rtcserver.access.token import read
from rtcserver.access.users import hashed
from rtcserver.clock import NS, wall_ns
from rtcserver.server.tokens import TokenStore
from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.process import wait_until
from tests.rig.server import RtcServer
from tests.sdp import offers

pytestmark = pytest.mark.unhurried("waits for the page's state and for sessions to end")

BY_LINK_ONLY = '[[access]]\nactions = ["listen", "read", "perform", "admin"]\ntoken = true\n'
STATUS = "document.querySelector('#status').innerText"
NOTE = "document.querySelector('#link-notice').innerText"
REVOKED, EXPIRED = "This link has been revoked.", "This link has expired; ask for a new one."


def user(name: str, password: str) -> str:
    return f'[[users]]\nname = "{name}"\npassword = "{hashed(password)}"\nactions = ["listen"]\n'


def store_of(server: RtcServer) -> TokenStore:
    return TokenStore(str(server.directory / "state"))


def in_seconds(seconds: int) -> int:
    return int(wall_ns() / NS) + seconds


def id_of(store: TokenStore, text: str) -> str:
    token = read(store.key, text)
    assert token is not None
    return token.id


async def end_all(server: RtcServer, token: str) -> None:
    """What an administrator does."""
    sessions = f"{server.url}/api/sessions"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        async with http.get(sessions) as answer:
            assert answer.status == 200, await answer.text()
            found = (await answer.json())["sessions"]
        assert found
        for session in found:
            async with http.delete(f"{sessions}/{session['id']}") as answer:
                assert answer.status == 200


async def test_a_listeners_page_says_that_its_link_is_revoked_or_over_and_asks_for_no_password() -> None:
    challenges = []
    with RtcServer(instrument="tone", config=BY_LINK_ONLY + user("vlc", "a password")) as server:
        server.wait_healthy(live)
        store = store_of(server)
        link = store.issue(("main",), ("listen", "read"), in_seconds(3600))
        over = store.issue(("main",), ("listen", "read"), in_seconds(-5))

        def note(answer: Any) -> None:
            if answer.status == 401:
                challenges.append(answer.headers.get("www-authenticate"))

        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}?listen#listen={link}")
            page.on("response", note)
            await until(page, "rtcserver.state === 'live'")
            assert link not in page.url
            await end_all(server, store.issue(("*",), ("admin",), in_seconds(60)))
            await until(page, f"{STATUS}.includes('An administrator ended this session.')")
            await until(page, "rtcserver.state === 'live'")
            store.revoke(id_of(store, link))
            await until(page, f"rtcserver.state === 'failed' && {STATUS}.includes('{REVOKED}')")
            other = await browser.open(f"{server.room_url}#listen={over}")
            other.on("response", note)
            await until(other, f"{STATUS}.includes('{EXPIRED}')")
            await other.click("#listen")
            await until(other, f"rtcserver.state === 'failed' && {STATUS}.includes('{EXPIRED}')")
            bare = await browser.open("about:blank")
            bare.on("response", note)
            await bare.goto(server.room_url)
            await until(bare, f"{STATUS}.includes('needs a link with a token')")
            await other.goto(f"{server.url}/check?room=main&seconds=1#listen={over}")
            await until(other, "document.querySelector('#check-status').dataset.done === 'yes'", 30)
            report = await other.evaluate("document.querySelector('#report').value")
            assert "Access: Does not work. You may not listen." in report
            assert "UDP: Not tested. You may not listen here." in report
        assert server.health()["backend"]["sessions"] == 0
    assert set(challenges) == {'Bearer realm="rtcserver"'}


async def test_a_performer_whose_link_lapses_goes_on_to_listen_without_a_gap() -> None:
    with RtcServer(instrument="fluidsynth", demo="false") as server:
        server.wait_healthy(live)
        store = store_of(server)
        link = store.issue(("main",), ("perform",), in_seconds(3600))
        over = store.issue(("main",), ("perform",), in_seconds(-5))
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}?listen#perform={link}")
            await until(page, "rtcserver.state === 'live' && rtcserver.midi.role === 'performer'")
            before = await page.evaluate("rtcserver.session.generation")
            store.revoke(id_of(store, link))
            await until(page, f"rtcserver.midi.role === 'listener' && {NOTE}.includes('{REVOKED}')")
            after = await page.evaluate("[rtcserver.session.generation, rtcserver.state]")
            assert after == [before, "live"]
            late = await browser.open(f"{server.room_url}?listen#perform={over}")
            await until(late, f"rtcserver.state === 'live' && {NOTE}.includes('{EXPIRED}')")
            assert await late.evaluate("rtcserver.midi.role") == "listener"


async def test_who_may_listen_by_another_link_listens_although_the_performers_link_is_over() -> None:
    with RtcServer(instrument="fluidsynth", demo="false", config=BY_LINK_ONLY) as server:
        server.wait_healthy(live)
        store = store_of(server)
        link = store.issue(("main",), ("listen", "read"), in_seconds(3600))
        over = store.issue(("main",), ("perform", "listen"), in_seconds(-5))
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}#listen={link}")
            await until(page, "rtcserver.room !== null")
            await page.goto(f"{server.room_url}?listen#perform={over}")
            await until(page, f"rtcserver.state === 'live' && {NOTE}.includes('{EXPIRED}')")


@pytest.fixture
async def decider() -> AsyncIterator[tuple[str, list[dict[str, str]], Callable[[str], None]]]:
    """A URL that decides, what it was asked, and what makes it refuse an action."""
    asked: list[dict[str, str]] = []
    refused: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        said = await request.json()
        asked.append(said)
        return web.Response(status=403 if said["action"] in refused else 200)

    app = web.Application()
    app.router.add_post("/auth", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/auth", asked, refused.add
    await runner.cleanup()


async def test_another_server_decides_who_listens_and_who_performs(
    decider: tuple[str, list[dict[str, str]], Callable[[str], None]],
) -> None:
    url, asked, refuse = decider
    with RtcServer(instrument="fluidsynth", demo="false", auth_url=url) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}?listen#perform=their.own.token")
            await until(page, "rtcserver.state === 'live' && rtcserver.midi.role === 'performer'")
            refuse("perform")
            refuse("listen")
            refuse("admin")
            late = await browser.open(f"{server.room_url}?listen#perform=another")
            await until(
                late, f"rtcserver.state === 'failed' && {STATUS}.includes('not valid on this server')"
            )
            assert await page.evaluate("rtcserver.state") == "live"
        async with aiohttp.ClientSession() as http:
            headers = {"Authorization": aiohttp.encode_basic_auth("anna", "secret")}
            async with http.get(f"{server.url}/api/sessions", headers=headers) as answer:
                assert (answer.status, "Basic" in answer.headers["WWW-Authenticate"]) == (401, True)
        assert "their.own.token" not in server.log()
        assert "secret" not in server.log()
    first = next(one for one in asked if one["action"] == "listen")
    assert (first["room"], first["token"], first["ip"]) == ("main", "their.own.token", "127.0.0.1")
    performed = next(one for one in asked if one["action"] == "perform")
    # The name of the session is the same from its beginning.
    assert performed["id"] == first["id"] != ""
    (admin,) = [one for one in asked if one["action"] == "admin"]
    assert (admin["user"], admin["password"], admin["room"]) == ("anna", "secret", "")


def test_a_user_who_is_taken_out_loses_their_session_at_sighup() -> None:
    with RtcServer(instrument="tone", config=BY_LINK_ONLY + user("vlc", "a password")) as server:
        server.wait_healthy(live)
        request = urllib.request.Request(
            f"{server.room_url}/whep",
            offers.small().encode(),
            {
                "Content-Type": "application/sdp",
                "Authorization": aiohttp.encode_basic_auth("vlc", "a password"),
            },
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            assert response.status == 201
        assert server.health()["backend"]["sessions"] == 1
        (server.directory / "rtcserver.toml").write_text(BY_LINK_ONLY)
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: server.health()["backend"]["sessions"] == 0, "the session's end")
        assert server.health()["backend"]["ended_lapsed"] == 1

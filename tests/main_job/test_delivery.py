"""What a browser loads of the page, and when: an early press, Studio when it is chosen, an update of the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page, Request, Route

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer

pytestmark = [
    pytest.mark.unhurried("waits for the page's state"),
    pytest.mark.xdist_group("delivery"),
]

MAIN = "**/page/main.js"
PEERS = """window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); peers.push(this); }
};"""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="tone") as running:
        running.wait_healthy(live)
        yield running


def asked_by(page: Page) -> list[str]:
    """The paths of all that a page asks for below static/, as it does."""
    paths: list[str] = []

    def note(request: Request) -> None:
        if match := re.search(r"/static/@[0-9a-f]+/(.*)", request.url):
            paths.append(match[1])

    page.on("request", note)
    return paths


async def test_a_press_before_the_scripts_are_there_is_kept(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open("about:blank")
        release = asyncio.Event()

        async def late(route: Route) -> None:
            await release.wait()
            await route.continue_()

        await page.route(MAIN, late)
        await page.goto(server.room_url, wait_until="commit")
        await page.wait_for_selector("#listen")
        pressed: Any = "[document.querySelector('#listen-label').textContent, document.body.dataset.state]"
        await page.click("#listen")
        assert await page.evaluate(pressed) == ["Stop", "connecting"]
        await page.click("#listen")
        assert await page.evaluate(pressed) == ["Listen", "idle"]
        await page.click("#listen")
        assert await page.evaluate("window.rtcserver") is None
        release.set()
        await until(page, "window.rtcserver?.state === 'live'")
        await page.click("#listen")
        await until(page, "rtcserver.state === 'idle'")


async def test_an_offer_is_made_before_a_press_and_a_touch_alone_leaves_no_session(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open("about:blank")
        posts: list[str] = []
        page.on("request", lambda request: posts.append(request.method) if "/whep" in request.url else None)
        await page.add_init_script(PEERS)
        await page.goto(server.room_url)
        await until(page, "peers.length === 1 && peers[0].signalingState === 'have-local-offer'")
        assert posts == []
        await page.dispatch_event("#listen", "pointerdown", {"isPrimary": True, "button": 0})
        await until(page, "peers[0].signalingState === 'closed'")
        async with asyncio.timeout(10):
            while posts != ["POST", "DELETE"]:  # noqa: ASYNC110 -- the browser's requests
                await asyncio.sleep(0.02)
        await page.hover("#listen")
        await until(page, "peers.length === 2 && peers[1].signalingState === 'have-local-offer'")
        await page.click("#listen")
        await until(page, "rtcserver.state === 'live'")
        assert await page.evaluate("peers.length") == 2
        assert posts == ["POST", "DELETE", "POST"]


@pytest.mark.realtime  # Studio gives up on a page that has no processor for seconds
async def test_a_listener_loads_few_files_once_and_studio_when_it_is_chosen(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open("about:blank")
        asked = asked_by(page)
        await page.goto(f"{server.room_url}?listen")
        await until(page, "window.rtcserver?.state === 'live'")
        assert len(asked) <= 7, " ".join(asked)
        assert not [path for path in asked if "studio" in path.replace("+studio", "")]
        await page.click("#mode-studio")
        await until(page, "rtcserver.studio.state === 'playing'")
        studio = [path for path in asked if path.startswith(("page/studio", "studio/"))]
        assert sorted(path for path in studio if path.endswith(".js")) == [
            "page/studio-part.js",
            "studio/engine/worker.js",  # and the worklet's, which Playwright does not tell of
        ]
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Network.enable")
        came: dict[str, tuple[str, bool]] = {}
        cdp.on(
            "Network.responseReceived",
            lambda event: came.update(
                {event["requestId"]: (event["response"]["url"], event["response"]["fromDiskCache"])}
            ),
        )
        kept: set[str] = set()
        cdp.on("Network.requestServedFromCache", lambda event: kept.add(event["requestId"]))
        await page.goto(server.room_url)
        await until(page, "window.rtcserver?.state === 'idle'")
        # The icon of a tab is fetched by the browser's own rules.
        versioned = {
            number: disk
            for number, (url, disk) in came.items()
            if "/static/@" in url and "favicon" not in url
        }
        assert len(versioned) >= 3
        assert [
            came[number][0] for number, disk in versioned.items() if number not in kept and not disk
        ] == []


async def test_a_page_of_another_version_is_loaded_again_once(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open("about:blank")
        loads: list[str] = []
        stale = True

        async def old(route: Route) -> None:
            loads.append(route.request.url)
            response = await route.fetch()
            text = await response.text()
            if stale:
                text = re.sub(r"@[0-9a-f]{12}(?=/page/main)", "@0123456789ab", text)
            await route.fulfill(response=response, body=text)

        await page.route("**/r/main", old)
        await page.goto(server.room_url)
        await until(page, "document.querySelector('#headline')?.textContent.startsWith('This page is older')")
        assert len(loads) == 2
        stale = False
        await page.reload()
        await until(page, "window.rtcserver?.state === 'idle'")
        assert len(loads) == 3


@pytest.mark.realtime  # Studio gives up on a page that has no processor for seconds
async def test_a_page_that_outlives_its_version_gets_studio_all_the_same(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(f"{server.room_url}?listen")
        await until(page, "window.rtcserver?.state === 'live'")

        async def gone(route: Route) -> None:
            await route.fulfill(status=404)

        for name in ("studio-part.js", "studio-door.js"):
            await page.route(f"**/page/{name}", gone, times=1)
        await page.evaluate("window.before = true")
        await page.click("#mode-studio")
        await until(page, "window.before === undefined && window.rtcserver?.studio.state === 'playing'")


@pytest.mark.realtime  # Studio gives up on a page that has no processor for seconds
async def test_studio_that_cannot_be_loaded_is_told_and_can_be_tried_again(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(f"{server.room_url}?listen")
        await until(page, "window.rtcserver?.state === 'live'")

        async def lost(route: Route) -> None:
            await route.abort()

        await page.route("**/page/studio-part.js", lost, times=1)
        await page.click("#mode-studio")
        await until(page, "rtcserver.studio.session.notice === 'Studio could not be loaded.'")
        assert await page.is_checked("#mode-listen")
        assert await page.evaluate("rtcserver.state") == "live"
        await page.click("#studio-again")
        await until(page, "rtcserver.studio.state === 'playing'")

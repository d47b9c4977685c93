"""What the page says of itself, in real Chromium: how the sound arrives, a full room, an old link, and the page ``/check``.

One server with a room of one place serves all.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil
import pytest
from playwright.async_api import Page, Route

from tests.main_job.test_accessible import _faults
from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for what the page says")

LIVE = "rtcserver.state === 'live'"
HEADLINE = "document.querySelector('#headline').textContent"
STATUS = "document.querySelector('#status').innerText"
DONE = "document.querySelector('#check-status')?.dataset.done === 'yes'"
STATES = "Object.fromEntries([...document.querySelectorAll('#checks li')].map((one) => [one.id, one.dataset.state]))"
REPORT = "document.querySelector('#report').value"
HOPS = "[...document.querySelectorAll('#strip [data-hop] b')].map((one) => Number(one.textContent))"
OVER = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
"""What looks like a token and is none of this server's."""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="fluidsynth", max_listeners_per_room=1) as running:
        running.wait_healthy(live)
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Chromium]:
    async with Chromium() as running:
        yield running


async def _leaves(page: Page, server: RtcServer) -> None:
    """The page goes, and its place is free."""
    await page.goto("about:blank")
    for _ in range(100):
        if server.get_json("/api/rooms/main")["listeners"] == 0:
            return
        await asyncio.sleep(0.1)
    pytest.fail("a session stays behind")


async def test_the_last_place_hears_both_modes_and_the_hops_add_up_in_each(
    server: RtcServer, browser: Chromium
) -> None:
    page = await browser.open(f"{server.room_url}?listen")
    assert not await page.is_visible("#strip")
    await page.click("#arrival summary")
    for mode in ("Listen:", "Studio, exact", "Studio, compressed"):
        if mode != "Listen:":
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.state === 'playing'", 30)
            await page.evaluate(f"rtcserver.studio.pin('{'exact' if 'exact' in mode else 'light'}')")
        total = "document.querySelector('#strip-total')?.textContent"
        await until(page, f"{total}?.startsWith('{mode}') && {total}.includes('measured')")
        hops, said = await page.evaluate(f"[{HOPS}, {total}]")
        assert len(hops) == 5
        assert f" {sum(hops)} ms from the instrument to the ear" in said
    assert server.get_json("/api/rooms/main")["listeners"] == 1
    await page.click("#mode-listen")
    await until(page, f"rtcserver.studio.state === 'off' && {LIVE}")
    await _leaves(page, server)


def _stall(browsers: list[psutil.Process], over: threading.Event) -> None:
    """Stop the browsers for 40 ms twice a second, as a processor that is short does."""
    while not over.wait(0.46):
        for one in browsers:
            one.suspend()
        over.wait(0.04)
        for one in browsers:
            one.resume()


async def test_a_busy_computer_is_blamed_and_not_the_network(server: RtcServer, browser: Chromium) -> None:
    page = await browser.open(f"{server.room_url}?listen")
    await until(page, LIVE)
    await page.click("#mode-studio")
    await until(page, "rtcserver.studio.state === 'playing'", 30)
    children = psutil.Process().children(recursive=True)
    browsers = [one for one in children if "--type=renderer" in one.cmdline()]
    over = threading.Event()
    stalling = threading.Thread(target=_stall, args=(browsers, over))
    stalling.start()
    try:
        line = "document.querySelector('#studio-line').textContent"
        await until(page, f"/computer is too busy/.test({line}) && !/network/.test({line})", 40)
    finally:
        over.set()
        stalling.join()
    await _leaves(page, server)


async def test_a_full_room_says_so_and_takes_the_place_that_is_free(
    server: RtcServer, browser: Chromium
) -> None:
    first = await browser.open(f"{server.room_url}?listen")
    await until(first, LIVE)
    second = await browser.open(f"{server.room_url}?listen")
    await until(second, "rtcserver.state === 'reconnecting'")
    said = await second.evaluate(STATUS)
    assert said.startswith("The room is full")
    assert "asks again in" in said
    assert await _faults(second) == []
    assert "The only place of this room is taken. You hear it as soon as somebody leaves" in said
    await second.goto(f"{server.url}/check?room=main&seconds=1")
    await until(second, DONE, 30)
    assert "UDP: Not tested. The room is full at this moment." in await second.evaluate(REPORT)
    await second.goto(f"{server.room_url}?listen")
    await until(second, f"{HEADLINE} === 'The room is full'")
    await first.goto("about:blank")
    await until(second, LIVE, 30)
    await _leaves(second, server)


async def test_an_old_performers_link_is_told_before_its_panel_is_shown(
    server: RtcServer, browser: Chromium
) -> None:
    page = await browser.open("about:blank")
    await page.add_init_script(
        "new MutationObserver(() => { window.seen ||= document.querySelector('#play:not([hidden])') !== null; })"
        ".observe(document, {subtree: true, childList: true, attributes: true})"
    )
    await page.goto(f"{server.room_url}#perform={OVER}")
    await until(page, "!document.querySelector('#link-notice').hidden")
    said = await page.inner_text("#link-notice")
    assert said.startswith("This link is not valid on this server. Ask whoever gave it to you")
    assert not await page.evaluate("window.seen")
    assert "#" not in page.url
    await page.goto("about:blank")
    await page.goto(f"{server.room_url}#perform={performer_token(server)}")
    await until(page, "window.seen")
    assert await page.is_hidden("#link-notice")


async def test_studio_that_is_turned_off_is_not_offered(server: RtcServer, browser: Chromium) -> None:
    async def without(route: Route) -> None:
        said = json.loads(await (await route.fetch()).text())
        await route.fulfill(json=said | {"studio": None})

    page = await browser.open("about:blank")
    await page.context.route("**/api/rooms/main", without)
    await page.goto(server.room_url)
    await until(page, "document.querySelector('#modes').hidden")
    assert await page.is_hidden("#mode-studio")


FAILING = """
const { getStats } = RTCPeerConnection.prototype;
const began = performance.now();
RTCPeerConnection.prototype.getStats = async function () {
  const stats = [...(await getStats.call(this)).values()].map((one) => {
    const lost = Math.round((performance.now() - began) / 100);
    const told = { packetsLost: lost, concealedSamples: 800 * lost, silentConcealedSamples: 0 };
    return one.type === "inbound-rtp" ? { ...one, ...told } : one;
  });
  return new Map(stats.map((one) => [one.id, one]));
};
"""
"""A browser that tells of a tenth of all packets lost, and a sixth of the sound missing."""


async def test_a_sixth_of_the_sound_missing_is_not_good(server: RtcServer, browser: Chromium) -> None:
    page = await browser.open("about:blank")
    await page.add_init_script(FAILING)
    await page.goto(f"{server.room_url}?listen")
    await until(page, f"{HEADLINE} === 'Your network drops sounds'")
    assert await _faults(page) == []
    await until(page, "document.body.dataset.tone === 'bad'")
    assert await page.evaluate("rtcserver.state") == "live"
    assert await page.is_visible("#check-way")
    await _leaves(page, server)


BROKEN: dict[str, dict[str, Any]] = {
    "This browser is too old for this page": {"body": "class A { £old }", "content_type": "text/javascript"},
    "The page came only in part": {"status": 503},
}


@pytest.mark.parametrize("headline", BROKEN)
async def test_a_page_that_cannot_run_says_why(server: RtcServer, browser: Chromium, headline: str) -> None:
    page = await browser.open("about:blank")
    await page.context.route("**/page/main.js", lambda route: route.fulfill(**BROKEN[headline]))
    await page.goto(server.room_url)
    await until(page, f"{HEADLINE} === '{headline}'")
    assert await page.is_disabled("#listen")


async def test_the_test_page_finds_every_way_and_names_nobody(server: RtcServer, browser: Chromium) -> None:
    token = performer_token(server)
    page = await browser.open(f"{server.url}/check?room=main&seconds=2#perform={token}")
    await until(page, DONE, 40)
    states, report = await page.evaluate(f"[{STATES}, {REPORT}]")
    jitter = states.pop("check-jitter")
    assert jitter in ("good", "warn", "bad")
    good = ["server", "access", "webrtc", "opus", "udp", "tcp", "secure", "worklet", "transform", "midi"]
    assert states == {**{f"check-{one}": "good" for one in (*good, "clock")}, "check-turn": "none"}
    assert "Access: Good. You may listen and play." in report
    assert report.startswith("rtcserver check, ")
    for private in (token, "127.0.0.1", str(server.port), "main", "#", "http"):
        assert private not in report
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.click("#copy")
    await until(page, "document.querySelector('#copy-note').textContent.startsWith('Copied')")
    assert await page.evaluate("navigator.clipboard.readText()") == report
    await _leaves(page, server)


BARE = """
Object.defineProperty(window, "isSecureContext", { value: false });
for (const name of ["RTCPeerConnection", "AudioWorkletNode", "RTCRtpScriptTransform"]) delete window[name];
delete Navigator.prototype.requestMIDIAccess;
delete Navigator.prototype.clipboard;
"""


async def test_the_test_page_works_without_a_room_a_right_token_or_a_secure_page(
    server: RtcServer, browser: Chromium
) -> None:
    page = await browser.open("about:blank")
    await page.add_init_script(BARE)
    await page.goto(f"{server.url}/check?room=%3Cb%3Enowhere&seconds=1&lang=de#perform={OVER}")
    await until(page, DONE, 30)
    report = await page.evaluate(REPORT)
    for line in (
        "WebRTC: Does not work. It is missing, or switched off.",
        "UDP: Not tested. It needs WebRTC.",
        "AudioWorklet: Not tested. It needs a secure page.",
        "Secure page: Not so good.",
        "Web MIDI: Not tested. It needs a secure page.",
    ):
        assert line in report
    # The page speaks German, and the report English.
    assert await page.inner_text("#check-udp .check-state") == "Nicht geprüft"
    assert OVER not in report
    assert "nowhere" not in report
    await page.click("#copy")
    await until(page, "document.querySelector('#copy-note').textContent !== ''")

"""The system's media controls, as a desktop has them: what they show, and what their keys do, in Listen and in Studio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium, hear
from tests.rig.mpris import Desktop
from tests.rig.process import wait_until
from tests.rig.server import RtcServer

pytestmark = [
    pytest.mark.realtime,  # Studio gives up on a page that has no processor for seconds
    pytest.mark.unhurried("waits for states of the page and of the desktop"),
    pytest.mark.xdist_group("media_keys"),
]

STILL = "rtcserver.studio.state === 'off' && rtcserver.state === 'idle'"
ROOM = "[rooms.main]\ntitle = 'The blue room'\ninstrument = 'tone'\n"


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(config=ROOM) as running:
        running.wait_healthy(live)
        yield running


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with Desktop() as running:
        yield running


def shows(desktop: Desktop, player: str, status: str) -> None:
    wait_until(lambda: desktop.status(player) == status, f"{player} shows {status}", 20.0, 0.1)


async def press(desktop: Desktop, player: str, key: str, page: Any, expression: str) -> None:
    """Press a key that can be pressed twice, and once more where the page has not followed; why it has not is unknown."""
    for _ in range(4):
        desktop.press(player, key)
        for _ in range(30):
            if await page.evaluate(expression):
                return
            await asyncio.sleep(0.1)
    pytest.fail(f"{key} was not obeyed: {expression}")


async def test_the_keys_of_a_desktop_pause_and_play_listen_and_studio(
    server: RtcServer, desktop: Desktop
) -> None:
    async with Chromium(env=desktop.variables) as browser:
        page = await browser.open(server.room_url)
        assert desktop.players() == []
        await page.click("#listen")
        await until(page, "rtcserver.state === 'live'")
        player = desktop.player()
        shows(desktop, player, "Playing")
        wait_until(lambda: "xesam:title" in desktop.metadata(player), "the metadata", 20.0, 0.1)
        shown = desktop.metadata(player)
        assert (shown["xesam:title"], shown["xesam:artist"]) == ("tone 440 Hz / 660 Hz", "The blue room")
        wait_until(lambda: "mpris:artUrl" in desktop.metadata(player), "the picture", 20.0, 0.1)

        desktop.press(player, "PlayPause")
        await until(page, "rtcserver.state === 'idle'")
        shows(desktop, player, "Paused")
        wait_until(lambda: server.get_json("/api/rooms/main")["sessions"] == [], "nobody listens", 20.0, 0.1)
        desktop.press(player, "PlayPause")
        await until(page, "rtcserver.state === 'live'")
        shows(desktop, player, "Playing")

        await page.click("#mode-studio")
        await until(page, "rtcserver.studio.state === 'playing' && rtcserver.state === 'idle'")
        shows(desktop, player, "Playing")
        await press(desktop, player, "Pause", page, STILL)
        shows(desktop, player, "Paused")
        desktop.press(player, "Play")
        await until(page, "rtcserver.studio.state === 'playing'")
        shows(desktop, player, "Playing")

        await press(desktop, player, "Stop", page, STILL)
        shows(desktop, player, "Stopped")
        wait_until(lambda: "xesam:title" not in desktop.metadata(player), "no title", 20.0, 0.1)


async def test_a_call_pauses_the_sound_and_its_end_brings_it_back(server: RtcServer) -> None:
    """What the system does to a page's players when another program takes the sound, done to the one that it may pause."""
    async with Chromium() as browser:
        page = await browser.open(f"{server.room_url}?listen")
        await until(page, "rtcserver.state === 'live'")
        await until(page, "!document.querySelector('#media-anchor').paused")
        await page.evaluate("document.querySelector('#media-anchor').pause()")
        await until(page, "rtcserver.state === 'idle'")
        assert await page.evaluate("navigator.mediaSession.playbackState") == "paused"
        await page.evaluate("document.querySelector('#media-anchor').play()")
        await until(page, "rtcserver.state === 'live'")
        assert await page.evaluate("navigator.mediaSession.playbackState") == "playing"
        # Who stops it themselves is not started again by the end of a call.
        await page.click("#listen")
        await until(page, "rtcserver.state === 'idle' && document.querySelector('#media-anchor').paused")


async def test_the_room_can_be_installed_and_no_service_worker_stands_between(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        await until(page, "document.querySelector('link[rel=manifest]')")
        cdp = await page.context.new_cdp_session(page)
        found = await cdp.send("Page.getAppManifest")
        assert found["errors"] == []
        assert found["url"] == f"{server.room_url}/app.webmanifest"
        assert json.loads(found["data"])["name"] == "The blue room"
        errors = (await cdp.send("Page.getInstallabilityErrors"))["installabilityErrors"]
        # Playwright's pages are in private windows, which install nothing.
        assert {error["errorId"] for error in errors} <= {"in-incognito"}
        assert (
            await page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
        )


async def test_keys_play_mute_and_turn_the_volume(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        await until(page, "window.rtcserver?.state === 'idle'")
        await page.keyboard.press("Space")
        await until(page, "rtcserver.state === 'live'")
        await page.keyboard.press("m")
        await until(page, "document.querySelector('#audio').muted")
        await page.focus("#mute")
        await page.keyboard.press("ArrowDown")
        await until(page, "!document.querySelector('#audio').muted")
        assert await page.input_value("#volume") == "95"
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("Space")
        await until(page, "rtcserver.state === 'idle'")


async def test_a_page_that_slept_while_the_server_was_started_again_plays_on(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(f"{server.room_url}?listen")
        await until(page, "rtcserver.state === 'live'")
        await page.evaluate("window.before = true")
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Page.setWebLifecycleState", {"state": "frozen"})
        server.kill()
        server.start()
        server.wait_healthy(live)
        await cdp.send("Page.setWebLifecycleState", {"state": "active"})
        await until(page, "rtcserver.state === 'live' && rtcserver.session.generation > 1", 40)
        assert await page.evaluate("window.before")
        left, _ = (await hear(page, 0.5)).sides
    assert left.hz == pytest.approx(440, abs=2)

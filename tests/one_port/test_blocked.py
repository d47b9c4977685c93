"""UDP is blocked between the page and the server: the page says what it tried and what mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page

from tests.one_port.serving import PORT, ServerIn, chromium_for, room_at, wait_state
from tests.rig.netns import Published, published

pytestmark = pytest.mark.unhurried("moves the page's own clock, and waits for states")

PAGES_PATIENCE_MS = 12_000
"""TRANSPORT_TIMEOUT_MS of static/listen/session.js."""


@asynccontextmanager
async def given_up(hidden: str) -> AsyncIterator[tuple[Published, Page]]:
    """A page whose UDP is dropped and that has lost its patience. hidden: what it does not show before."""
    with published(PORT) as network, ServerIn(network.container, media_tcp="false"), network.client.entered():
        async with chromium_for(network.address) as browser:
            page = await browser.open(room_at(network.address))
            # The page's own clock, so that nobody has to wait for as long as it is patient.
            await page.clock.install()
            await page.reload()
            network.client.run("iptables -A OUTPUT -p udp -j DROP")
            await page.wait_for_function("rtcserver.room !== null")
            await page.click("#listen")
            await page.wait_for_function("rtcserver.session.answered")
            assert await page.is_hidden(hidden)
            await page.clock.fast_forward(PAGES_PATIENCE_MS + 500)
            await wait_state(page, "reconnecting")
            yield network, page


async def test_the_page_names_the_addresses_it_tried_and_the_setting_that_mends_it() -> None:
    async with given_up("#addresses") as (network, page):
        tried = await page.locator("#addresses li").all_inner_texts()
        detail = await page.inner_text("#detail")
        assert await page.evaluate("rtcserver.session.problem.code") == "ice_failed"
        assert tried == [f"{network.address}:{PORT}", f"{network.private}:{PORT}"]
        # What a listener can do; what the owner can is told to the owner (tests/static/ui/words.test.js).
        assert "tell whoever runs this server" in detail
        assert "public_host" not in detail
        assert "UDP" in detail
        assert await page.is_visible("#hurry")

        # Once the firewall is open, the page finds its way by itself, or at once when it is told to.
        network.client.run("iptables -F OUTPUT")
        await page.evaluate("document.querySelector('#hurry').click()")
        await wait_state(page, "live")
        assert await page.is_hidden("#addresses")


async def test_the_page_offers_the_sound_by_http_where_webrtc_finds_no_way() -> None:
    async with given_up("#other-player") as (network, page):
        assert await page.is_visible("#other-audio")
        assert "plain HTTP" in await page.inner_text("#other-sentence")
        link = await page.evaluate("document.querySelector('#other-link').href")
        assert link == f"{room_at(network.address)}/live.m3u"

        # It plays, the page tries no other way meanwhile, and what was offered stays.
        await page.evaluate("document.querySelector('#other-audio').play()")
        await page.wait_for_function("document.querySelector('#other-audio').currentTime > 0.5")
        assert await page.evaluate("rtcserver.session.phase") == "idle"
        assert await page.is_visible("#other-audio")

        # WebRTC that finds a way again takes its place.
        network.client.run("iptables -F OUTPUT")
        await page.click("#listen")
        await wait_state(page, "live")
        assert await page.is_hidden("#other-player")
        assert await page.evaluate("document.querySelector('#other-audio').paused")

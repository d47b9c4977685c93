"""A listener whom the server asks to come later: the page says so, waits, and is heard then."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium, hear
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for as long as the server says")

WORDS = "document.querySelector('#status').textContent"


async def test_the_page_comes_back_when_it_is_told_to_and_not_before() -> None:
    """Six offers a minute: who has made them waits for ten seconds."""
    settings = {"shared_addresses": "192.0.2.0/24", "max_offers_per_minute": 6}
    with RtcServer(instrument="tone", **settings) as server:  # type: ignore[arg-type]  # the server's keys
        server.wait_healthy(live)
        offer = {"headers": {"Content-Type": "application/sdp"}, "data": "v=0"}
        async with aiohttp.ClientSession() as http, Chromium() as browser:
            page = await browser.open(server.room_url)
            for _ in range(6):
                async with http.post(f"{server.room_url}/whep", **offer) as response:  # type: ignore[arg-type]
                    assert response.status == 422
            async with http.post(f"{server.room_url}/whep", **offer) as response:  # type: ignore[arg-type]
                assert response.status == 429
                again_s = int(response.headers["Retry-After"])
            loop = asyncio.get_running_loop()
            began = loop.time()
            await page.click("#listen")
            await until(page, "window.rtcserver.state === 'reconnecting'")
            assert "6 a minute are allowed" in await page.evaluate(WORDS)
            # What else makes the page try at once: the network is back, the tab is shown.
            await page.evaluate("dispatchEvent(new Event('online'))")
            await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            assert await page.evaluate("document.querySelector('#hurry').hidden")
            await until(page, "window.rtcserver.state === 'live'", 30)
            assert loop.time() - began > again_s - 2
            left, _ = (await hear(page, 1.0)).sides
    assert left.hz == pytest.approx(440, abs=1)
    assert 7 <= again_s <= 10

"""What a listener sets for their device alone, in real Chromium."""

from __future__ import annotations

import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for what the page says")

LIVE = "rtcserver.state === 'live'"
SET = """(ms) => {
  const slider = document.querySelector('#own-delay');
  slider.value = ms;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""


async def test_a_delay_of_ones_own_is_real_remembered_and_nobodys_fault() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}?listen")
            await until(page, LIVE)
            await page.click("#own-sound summary")
            await page.wait_for_selector("#own-delay")
            await page.evaluate(SET, 600)
            await until(page, "rtcserver.stats()?.bufferMs > 550", 60)
            now = (
                "Number(/\\d+/.exec(document.querySelector('[data-testid=own-delay-now]').textContent)?.[0])"
            )
            await until(page, f"{now} > 550")
            await until(page, "/[56789]\\d\\d.ms/.test(document.querySelector('#behind').textContent)")
            assert await page.text_content("#headline") == "Good"

            await page.reload()
            await until(page, f"{LIVE} && rtcserver.stats()?.bufferMs > 550", 60)
            await page.click("#own-sound summary")
            await page.wait_for_selector("#own-delay")
            assert await page.input_value("#own-delay") == "600"
            await page.evaluate(SET, 0)
            await until(page, "rtcserver.stats()?.bufferMs < 300", 60)
            assert await page.text_content("#headline") == "Good"

"""A room on another site, in Chromium: the element from one file plays; a frame that no setting allows is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.perform import performer_token
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

AXE = REPOSITORY / "node_modules/axe-core/axe.min.js"
pytestmark = pytest.mark.unhurried("waits for states of the page")


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_element_plays_on_another_site_if_a_setting_allows_it(
    site: tuple[str, Callable[[str], None]], allowed: bool
) -> None:
    origin, hold = site
    with RtcServer(instrument="fluidsynth", **({"embed_ancestors": origin} if allowed else {})) as server:
        server.wait_healthy(live)
        root = server.room_url.partition("/r/")[0]
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}#perform={performer_token(server)}")
            await page.click("#share")
            await page.wait_for_selector("#share-link")
            assert await page.input_value("#share-link") == server.room_url
            snippet = await page.input_value("#share-element")
            assert "perform" not in await page.inner_html("dialog.share")
            await page.click("#share-sites summary")
            await until(
                page, f"document.querySelector('.share-warning[hidden]') {'!=' if allowed else '=='} null"
            )
            await page.click("#share-link-copy")
            await until(page, "document.querySelector('#share-told').textContent !== ''")
            hold(snippet)
            page = await browser.open(origin)
            await page.wait_for_selector("rtcserver-player")
            await page.wait_for_timeout(500)
            frame = page.frames[1]
            if not allowed:
                assert frame.url.startswith("chrome-error:")
                return
            assert frame.url == f"{root}/r/main/embed"
            await frame.click("#listen")
            await until(frame, "rtcserver.state === 'live'")
            await until(frame, "document.querySelector('#meter-left').ariaValueNow > -60")
            await frame.evaluate(AXE.read_text("utf-8"))
            found = await frame.evaluate("axe.run(document).then((r) => r.violations.map((one) => one.id))")
            assert found == []

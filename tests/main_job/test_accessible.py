"""The pages for everyone: what axe finds in each state and colour scheme, the Tab key, forced colours, no JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.perform import performer_token
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for states of the page")

AXE = REPOSITORY / "node_modules/axe-core/axe.min.js"
FIND = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"], runOnly: {type: "tag", values: TAGS}});
  return found.violations.flatMap(({id, nodes}) =>
    nodes.map(({target, failureSummary}) => `${id} ${target}: ${failureSummary}`));
}""".replace(
    "TAGS", repr(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"])
)
ROOMS = "[rooms.one]\ninstrument = 'fluidsynth'\ndemo = true\n[rooms.two]\ninstrument = 'tone'\n"


async def _faults(page: Page) -> Any:
    """What axe finds, once transitions are over."""
    await page.evaluate(AXE.read_text("utf-8"))
    await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0)))")
    return await page.evaluate(FIND)


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_axe_finds_nothing_in_any_state(chromium: Browser, scheme: Any) -> None:
    with RtcServer(config=ROOMS) as server:
        server.wait_healthy(live)
        context = await chromium.new_context(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
        page = await context.new_page()
        found: dict[str, Any] = {}
        await page.goto(server.url)
        await until(page, "document.querySelectorAll('.room').length === 2")
        found["rooms"] = await _faults(page)
        await page.goto(f"{server.url}/r/nowhere")
        found["wrong link"] = await _faults(page)
        await page.goto(f"{server.url}/check?seconds=1")
        await until(page, "document.querySelector('#check-status').dataset.done === 'yes'", 30)
        found["check"] = await _faults(page)
        await page.goto(f"{server.url}/r/one#perform=an.old.link")
        await until(page, "!document.querySelector('#link-notice').hidden")
        found["old link"] = await _faults(page)
        await page.goto("about:blank")
        await page.goto(f"{server.url}/r/one#perform={performer_token(server)}")
        await until(page, "document.querySelector('#room-title').textContent.trim() !== ''")
        found["idle"] = await _faults(page)
        await page.click("#listen")
        await until(page, "rtcserver.state === 'live'")
        await page.evaluate(
            "document.querySelectorAll('details').forEach((drawer) => { drawer.open = true; })"
        )
        found["live"] = await _faults(page)
        await page.click("#silence")
        found["about to silence everyone"] = await _faults(page)
        await page.set_viewport_size({"width": 844, "height": 390})
        found["phone held sideways"] = await _faults(page)
        await page.evaluate("document.documentElement.dir = 'rtl'")
        await page.set_viewport_size({"width": 390, "height": 844})
        found["right to left"] = await _faults(page)
        await page.set_viewport_size({"width": 1280, "height": 720})
        await page.click("#mode-studio")
        await until(page, "rtcserver.studio.state === 'playing'")
        found["studio"] = await _faults(page)
    assert {state: faults for state, faults in found.items() if faults} == {}


async def test_the_sounds_are_one_stop_of_the_tab_key(chromium: Browser) -> None:
    with RtcServer(instrument="fluidsynth") as server:
        server.wait_healthy(live)
        page = await chromium.new_page()
        await page.goto(f"{server.room_url}?listen#perform={performer_token(server)}")
        await until(page, "rtcserver.midi.playable && document.querySelectorAll('.sound').length > 100")
        await page.evaluate("document.querySelector('#sound-choice').open = true")
        await page.focus("#sound-choice summary")
        await page.evaluate("document.querySelector('.segments button:last-child')?.focus()")
        await page.keyboard.press("Tab")
        focused = "document.activeElement"
        assert await page.evaluate(f"{focused}.matches('.sound')"), await page.evaluate(
            f"{focused}.outerHTML"
        )
        first = await page.evaluate(f"{focused}.textContent")
        await page.keyboard.press("ArrowDown")
        assert await page.evaluate(f"{focused}.matches('.sound')")
        assert await page.evaluate(f"{focused}.textContent") != first
        await page.keyboard.press("Tab")
        assert not await page.evaluate(f"{focused}.matches('.sound')")


async def test_forced_colours_leave_sliders_keys_and_the_lamp_to_be_seen(chromium: Browser) -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        context = await chromium.new_context(forced_colors="active")
        page = await context.new_page()
        await page.goto(server.room_url)
        await until(page, "document.querySelectorAll('.piano-black').length === 36")
        style = "getComputedStyle(document.querySelector('{}'))"
        assert await page.evaluate(f"{style.format('.lamp')}.borderStyle") == "solid"
        assert await page.evaluate(f"{style.format('.keys')}.forcedColorAdjust") == "none"
        black, white = [
            await page.evaluate(f"{style.format(key)}.backgroundImage")
            for key in (".piano-black", ".piano-white")
        ]
        assert "gradient" in black
        assert black != white


async def test_text_of_twice_the_size_does_not_scroll_sideways_on_a_phone(chromium: Browser) -> None:
    with RtcServer(instrument="fluidsynth") as server:
        server.wait_healthy(live)
        context = await chromium.new_context(viewport={"width": 390, "height": 844}, bypass_csp=True)
        page = await context.new_page()
        await page.goto(f"{server.room_url}?listen#perform={performer_token(server)}")
        await until(page, "rtcserver.midi.playable && document.querySelector('#listeners').textContent")
        await page.add_style_tag(content="html { font-size: 200% }")
        await page.evaluate(
            "document.querySelectorAll('details').forEach((drawer) => { drawer.open = true; })"
        )
        wide = "[...document.querySelectorAll('body *')].filter((one) => !one.closest('.keys-scroll, .sound-list')"
        out = await page.evaluate(
            f"{wide} && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.id || one.className)"
        )
        assert out == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_without_javascript_the_page_says_so_and_shows_nothing_that_would_not_answer(
    chromium: Browser,
) -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        context = await chromium.new_context(java_script_enabled=False)
        page = await context.new_page()
        for address in (server.url, server.room_url):
            await page.goto(address)
            assert await page.is_visible(".noscript")
            assert not await page.is_visible("main")

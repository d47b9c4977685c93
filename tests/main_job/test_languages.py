"""The page in German and Japanese, and in the pseudo-languages: words, plurals, numbers, and that they fit."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tests.main_job.test_accessible import AXE, FIND
from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for states of the page")

ROOMS = "[rooms.one]\ninstrument = 'fluidsynth'\ndemo = true\n[rooms.two]\ninstrument = 'tone'\n"
ROOT = "document.documentElement"
OPEN = "document.querySelectorAll('details').forEach((drawer) => { drawer.open = true; })"


async def _text(page: Page, selector: str) -> str:
    return (await page.text_content(selector) or "").strip()


async def _sideways(page: Page) -> list[int]:
    """Widths at which the page scrolls sideways."""
    found = []
    for width in (320, 390, 1280):
        await page.set_viewport_size({"width": width, "height": 844})
        if await page.evaluate(f"{ROOT}.scrollWidth > {ROOT}.clientWidth"):
            found.append(width)
    return found


async def _room(context: BrowserContext, server: RtcServer, query: str = "") -> Page:
    """A performer's page of the first room, which plays, with all drawers open."""
    page = await context.new_page()
    await page.goto(f"{server.url}/r/one{query}#perform={performer_token(server)}")
    await page.click("#listen")
    await until(page, "rtcserver.state === 'live'", 20)
    await until(page, "document.querySelector('#behind').textContent !== ''", 20)
    await page.evaluate(OPEN)
    return page


async def _people(page: Page, many: int) -> str:
    await until(page, f"rtcserver.room.listeners === {many}", 20)
    await until(page, f"document.querySelector('#listeners').textContent.includes('{many}')", 20)
    return await _text(page, "#listeners")


@pytest.mark.parametrize(
    ("locale", "listen", "stop", "ready", "one", "two", "volume", "sound"),
    [
        ("de-DE", "Hören", "Stopp", "Bereit", "1 Person hört zu", "2 Personen hören zu", "0,0 dB", "Klang wählen"),
        ("ja-JP", "聴く", "停止", "準備完了", "1人が聴いています", "2人が聴いています", "0.0 dB", "音色を選ぶ"),
    ],
)  # fmt: skip
async def test_the_page_speaks_the_language_of_the_browser(
    chromium: Browser,
    locale: str,
    listen: str,
    stop: str,
    ready: str,
    one: str,
    two: str,
    volume: str,
    sound: str,
) -> None:
    with RtcServer(config=ROOMS) as server:
        server.wait_healthy(live)
        context = await chromium.new_context(locale=locale, bypass_csp=True, reduced_motion="reduce")
        page = await context.new_page()
        await page.goto(f"{server.url}/r/one")
        assert await page.evaluate(f"[{ROOT}.lang, {ROOT}.dir]") == [locale, "ltr"]
        assert [await _text(page, "#listen-label"), await _text(page, "#headline")] == [listen, ready]
        await page.close()
        page = await _room(context, server)
        assert await _text(page, "#listen-label") == stop
        # What tools and tests read stays as it is.
        assert await page.get_attribute("#listen", "data-action") == "Stop"
        assert await _people(page, 1) == one
        other = await context.new_page()
        await other.goto(f"{server.url}/r/one?listen")
        await until(other, "rtcserver.state === 'live'", 20)
        assert await _people(page, 2) == two
        await other.close()
        assert await _text(page, "#volume-value") == volume
        assert await _text(page, "#sound-choice summary") == sound
        assert await _sideways(page) == []
        await page.evaluate(AXE.read_text("utf-8"))
        await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0)))")
        assert await page.evaluate(FIND) == []
        await page.close()


async def test_an_address_chooses_the_language_and_the_choice_is_kept(chromium: Browser) -> None:
    with RtcServer(config=ROOMS) as server:
        server.wait_healthy(live)
        context = await chromium.new_context(locale="fr-FR")
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))

        async def heading(query: str) -> Any:
            await page.goto(f"{server.url}/{query}")
            await until(page, "document.querySelectorAll('.room').length === 2")
            return await page.evaluate(f"[{ROOT}.lang, document.querySelector('h1').textContent]")

        # French is none of the page's languages, and English needs no translation.
        assert await heading("") == ["en", "Rooms"]
        assert [url for url in asked if "words/" in url and "@" in url] == []
        assert await heading("?lang=de") == ["de", "Räume"]
        assert await heading("") == ["de", "Räume"]
        # What is no language of the page changes nothing.
        for no_language in ("xx", "de%22%3E", "..%2Fja", "pseudo"):
            assert (await heading(f"?lang={no_language}"))[1] == "Räume"
        assert await heading("?lang=") == ["en", "Rooms"]
        await page.goto(f"{server.url}/check?lang=ja&seconds=1")
        assert await _text(page, "h1") == "このブラウザーを診断する"


async def test_a_translation_that_does_not_come_leaves_the_page_english(chromium: Browser) -> None:
    with RtcServer(config=ROOMS) as server:
        server.wait_healthy(live)
        context = await chromium.new_context(locale="de-DE")
        page = await context.new_page()
        await page.route("**/words/de.js", lambda route: route.abort())
        await page.goto(f"{server.url}/r/one")
        await until(page, "window.rtcserver !== undefined")
        assert await _text(page, "#headline") == "Ready"
        assert await page.evaluate(f"{ROOT}.lang") == "en"
        await page.click("#listen")
        await until(page, "rtcserver.state === 'live'", 20)


@pytest.mark.parametrize(("tag", "direction"), [("en-XA", "ltr"), ("ar-XB", "rtl")])
async def test_the_pseudo_languages_show_what_is_in_no_catalog_and_what_right_to_left_breaks(
    chromium: Browser, tag: str, direction: str
) -> None:
    with RtcServer(config=ROOMS) as server:
        server.wait_healthy(live)
        context = await chromium.new_context(bypass_csp=True)
        page = await _room(context, server, f"?lang={tag}")
        assert await page.evaluate(f"{ROOT}.dir") == direction
        assert await _text(page, "#listen-label") != "Stop"
        assert await _text(page, "#arrival-title") != "How the sound arrives"
        if direction == "rtl":
            assert await _sideways(page) == []

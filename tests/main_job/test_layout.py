"""Where things are on the screens that people have: keys for thumbs, a desk on one screen, scripts from right to left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("measures where things stand, and waits for states of the page")

BOXES = """(selectors) => Object.fromEntries(selectors.map((selector) => {
  const {left, top, right, bottom, width, height} = document.querySelector(selector).getBoundingClientRect();
  return [selector, {left, top, right, bottom, width, height}];
}))"""
WHITE = '[data-testid="key-64"]'
THUMB = 44
"""CSS pixels: the least height of what a thumb is to find."""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="fluidsynth", arguments=("--demo",)) as server:
        server.wait_healthy(live)
        yield server


async def opened(chromium: Browser, server: RtcServer, *, touch: bool, perform: bool) -> Page:
    """A page that plays, with fingers or a mouse."""
    context = await chromium.new_context(has_touch=touch, is_mobile=touch)
    page = await context.new_page()
    token = f"#perform={performer_token(server)}" if perform else ""
    await page.goto(f"{server.room_url}?listen{token}")
    await until(
        page,
        "rtcserver.state === 'live' && rtcserver.midi.role === "
        + repr("performer" if perform else "listener"),
    )
    await until(page, "document.querySelector('#keys').clientWidth > 0")
    return page


async def sized(page: Page, width: int, height: int) -> None:
    """Another screen, once the keyboard has followed it."""
    await page.set_viewport_size({"width": width, "height": height})
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def boxes(page: Page, *selectors: str) -> Any:
    return await page.evaluate(BOXES, selectors)


# The first, while the demo piece plays: it rests for half a minute after somebody has played.
async def test_with_reduced_motion_nothing_is_animated(chromium: Browser, server: RtcServer) -> None:
    context = await chromium.new_context(reduced_motion="reduce")
    page = await context.new_page()
    await page.goto(server.room_url)
    await until(page, "window.rtcserver !== undefined")
    await page.evaluate(
        """() => {
          window.moved = [];
          for (const kind of ["animationstart", "transitionrun"]) {
            addEventListener(kind, ({target}) => moved.push(`${kind} ${target.id || target.className}`), true);
          }
          window.pictures = 0;
          const {clearRect} = CanvasRenderingContext2D.prototype;
          CanvasRenderingContext2D.prototype.clearRect = function (...area) {
            if (this.canvas.id === "roll") pictures += 1;
            return clearRect.apply(this, area);
          };
        }"""
    )
    await page.click("#listen")
    await until(page, "rtcserver.midi.events.length > 8")
    media, pictures = await page.evaluate("[rtcserver.midi.mediaAt(performance.now()), pictures]")
    await until(page, f"rtcserver.midi.mediaAt(performance.now()) > {media} + 3 * 48000")
    media_later, later = await page.evaluate("[rtcserver.midi.mediaAt(performance.now()), pictures]")
    # Two steps of the roll a second, and a picture for each key that goes on or off: 16 a second at most in the piece.
    assert later - pictures < 24 * (media_later - media) / 48_000
    assert await page.evaluate("moved") == []


async def test_a_phone_held_sideways_shows_the_keys_at_once_for_thumbs(
    chromium: Browser, server: RtcServer
) -> None:
    page = await opened(chromium, server, touch=True, perform=True)
    for width, height in ((844, 390), (667, 375), (932, 430)):
        await sized(page, width, height)
        found = await boxes(
            page,
            "#keys-scroll",
            "#listen",
            "#sustain",
            "#panic",
            "#keys-left",
            "#keys-right",
            "#headline",
            WHITE,
        )
        assert await page.evaluate("scrollY") == 0
        for name, box in found.items():
            assert box["top"] >= 0, (width, name, box)
            assert box["bottom"] <= height, (width, name, box)
        for name in ("#listen", "#sustain", "#panic", "#keys-left", "#keys-right"):
            assert found[name]["height"] >= THUMB, (width, name)
            assert found[name]["width"] >= THUMB, (width, name)
        assert found["#keys-scroll"]["height"] >= height * 0.45
        assert found[WHITE]["width"] >= 34
        assert found[WHITE]["left"] >= 0, "the middle of the keyboard is what is seen"
        assert found[WHITE]["right"] <= width


async def test_a_desk_has_meter_keys_and_pedals_on_one_screen(chromium: Browser, server: RtcServer) -> None:
    page = await opened(chromium, server, touch=False, perform=True)
    await sized(page, 1440, 900)
    found = await boxes(
        page, "#dial", "#meter-left", "#volume", "#keys", "#sustain", "#bend", "#modulation", "#panic"
    )
    assert all(box["top"] >= 0 and box["bottom"] <= 900 for box in found.values()), found
    assert await page.evaluate("document.querySelector('#keys').dataset.zoom") == "52"
    # On 390 pixels a mouse gets keys that it can hit, with one letter on each.
    await sized(page, 390, 844)
    await until(page, "document.querySelector('#keys').dataset.zoom !== '52'")
    assert (await boxes(page, WHITE))[WHITE]["width"] >= 14
    letters = """[...document.querySelectorAll('.piano-white .key-legend')].filter((one) => one.dataset.text).map((one) => {
      const range = document.createElement('canvas').getContext('2d');
      range.font = getComputedStyle(one).font;
      return range.measureText(one.dataset.text).width / one.parentElement.clientWidth;
    })"""
    shares = await page.evaluate(letters)
    assert len(shares) == 17
    assert max(shares) < 0.9


async def test_a_listener_at_a_desk_sees_the_keys_light_up(chromium: Browser, server: RtcServer) -> None:
    page = await opened(chromium, server, touch=False, perform=False)
    await sized(page, 1440, 900)
    found = await boxes(page, "#listen", "#meter-left", "#volume", "#performers", "#keys")
    assert all(box["top"] >= 0 and box["bottom"] <= 900 for box in found.values()), found


async def test_the_part_of_the_keyboard_is_chosen_in_words(chromium: Browser, server: RtcServer) -> None:
    page = await opened(chromium, server, touch=True, perform=True)
    await sized(page, 390, 844)
    names = ["Lower", "Larger keys", "More keys", "Higher"]
    buttons = page.locator("#keys-view button")
    assert [name.strip() for name in await buttons.all_inner_texts()] == names
    tops = await page.evaluate(
        "[...document.querySelectorAll('#keys-view button')].map((one) => one.getBoundingClientRect().top)"
    )
    assert len(set(tops)) == 1, "one row"
    white = f"document.querySelector('{WHITE}').getBoundingClientRect()"
    before = await page.evaluate(f"{white}.width")
    await page.click("#keys-fewer")
    assert await page.evaluate(f"{white}.width") > before
    await page.click("#keys-more")
    await page.click("#keys-more")
    assert await page.evaluate(f"{white}.width") < before
    for _ in range(8):
        # What leads nowhere may be pressed all the same.
        await page.evaluate("document.querySelector('#keys-left').click()")
    await until(page, "document.querySelector('#keys-left').getAttribute('aria-disabled') === 'true'")
    await until(page, "document.querySelector('#keys-scroll').scrollLeft === 0")
    await page.click("#keys-right")
    await until(page, "document.querySelector('#keys-left').getAttribute('aria-disabled') === 'false'")


async def test_a_touched_key_answers_at_once_and_lights_when_it_is_heard(
    chromium: Browser, server: RtcServer
) -> None:
    page = await opened(chromium, server, touch=True, perform=True)
    await sized(page, 844, 390)
    await until(page, "rtcserver.midi.playable")
    press = """([kind, selector]) => {
      const key = document.querySelector(selector);
      const {left, bottom, width} = key.getBoundingClientRect();
      const at = {clientX: left + width / 2, clientY: bottom - 20, pointerId: 7, pointerType: "touch", bubbles: true};
      const keys = document.querySelector("#keys");
      keys.setPointerCapture = () => {};
      key.dispatchEvent(new PointerEvent(kind, at));
      return [key.classList.contains("pressed"), getComputedStyle(key).backgroundImage];
    }"""
    rest = await page.evaluate(f"getComputedStyle(document.querySelector('{WHITE}')).backgroundImage")
    pressed, look = await page.evaluate(press, ["pointerdown", WHITE])
    assert pressed, "in the same turn, whatever the network does"
    assert look != rest
    own = "String(2 + (rtcserver.midi.performer - 3) % 6)"
    await until(page, f"document.querySelector('{WHITE}').dataset.voice === {own}")
    pressed, _ = await page.evaluate(press, ["pointerup", WHITE])
    assert not pressed
    await until(page, f"document.querySelector('{WHITE}').dataset.voice !== {own}")


@pytest.mark.parametrize("perform", [True, False])
async def test_nothing_scrolls_sideways_in_either_direction_of_script(
    chromium: Browser, server: RtcServer, perform: bool
) -> None:
    page = await opened(chromium, server, touch=True, perform=perform)
    for direction in ("ltr", "rtl"):
        await page.evaluate(f"document.documentElement.dir = '{direction}'")
        for width, height in ((320, 640), (390, 844), (667, 375), (720, 450), (768, 1024), (1440, 900)):
            await sized(page, width, height)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                direction,
                width,
            )
            assert await page.evaluate("innerWidth") == width, (direction, width)
    low, high, knob, title = (
        await boxes(page, '[data-testid="key-21"]', '[data-testid="key-108"]', "#listen", "h1")
    ).values()
    assert low["left"] < high["left"], "low notes are on the left in every script"
    assert knob["left"] > title["left"], "the rest is mirrored"
    left, right = (await boxes(page, "#meter-left", "#meter-right")).values()
    assert left["left"] < right["left"]

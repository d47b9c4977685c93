"""The room by keyboard and screen reader: every stop of the Tab key is seen, the order makes sense, space is the pedal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page

from tests.main_job.test_layout import opened, sized
from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for states of the page")

STOP = """() => {
  const stop = document.activeElement;
  if (stop === document.body) return null;
  // A file is chosen by an input that is not seen; its label is what is.
  const seen = stop.matches("input[type=file]") ? stop.closest("label") : stop;
  const {outlineStyle, outlineWidth, outlineColor} = getComputedStyle(seen);
  const {width, height, left, top, right, bottom} = seen.getBoundingClientRect();
  return {
    name: stop.id || stop.dataset.testid || stop.textContent.trim().slice(0, 40),
    outline: outlineStyle === "none" ? 0 : parseFloat(outlineWidth),
    colour: outlineColor,
    big: width >= 12 && height >= 16,
    inView: right > 0 && bottom > 0 && left < innerWidth && top < innerHeight,
  };
}"""
MOST = 80


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="fluidsynth", arguments=("--demo",)) as server:
        server.wait_healthy(live)
        yield server


async def stops(page: Page) -> list[dict[str, object]]:
    """Every stop of the Tab key, from the beginning of the page to its end."""
    await page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    found: list[dict[str, object]] = []
    for _ in range(MOST):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(STOP)
        if stop is None or (found and stop["name"] == found[0]["name"]):
            return found
        found.append(stop)
    raise AssertionError(f"more than {MOST} stops: {[stop['name'] for stop in found]}")


@pytest.mark.parametrize("perform", [True, False])
async def test_every_stop_of_the_tab_key_is_seen(chromium: Browser, server: RtcServer, perform: bool) -> None:
    page = await opened(chromium, server, touch=False, perform=perform)
    await page.evaluate("document.querySelectorAll('details').forEach((drawer) => { drawer.open = true; })")
    needed = {"listen", "mute", "volume", "quality"}
    if perform:
        needed |= {
            "sustain",
            "bend",
            "modulation",
            "panic",
            "silence",
            "performer-name",
            "typing",
            "octave-down",
            "file-choose",
        }
    for width, height in ((1440, 900), (844, 390), (320, 640)):
        await sized(page, width, height)
        found = await stops(page)
        names = [stop["name"] for stop in found]
        assert needed <= set(names), needed - set(names)
        assert sum(str(name).startswith("key-") for name in names) == (1 if perform else 0)
        for stop in found:
            assert float(str(stop["outline"])) >= 2, stop
            assert stop["big"], stop
            assert stop["inView"], stop
            assert stop["colour"] not in ("rgba(0, 0, 0, 0)", "transparent"), stop


async def test_a_screen_reader_meets_the_page_in_the_order_of_its_use(
    chromium: Browser, server: RtcServer
) -> None:
    page = await opened(chromium, server, touch=False, perform=True)
    await until(page, "document.querySelector('#performers').innerText.includes('The demo piece plays')")
    told = await page.locator("body").aria_snapshot()
    order = [
        'link "rtcserver, all rooms of this server"',
        'heading "Built-in synthesizer" [level=1]',
        'button "Stop"',
        "- status",
        'radio "Listen',
        'button "Mute"',
        'slider "Volume"',
        'heading "On the keys" [level=2]',
        "The demo piece plays",
        'group "Keyboard"',
        'button "Sustain"',
        'slider "Bend"',
        'textbox "Your name"',
        'button "Silence everyone"',
        'heading "How the sound arrives" [level=2]',
    ]
    places = [told.find(one) for one in order]
    assert -1 not in places, [one for one, place in zip(order, places, strict=True) if place < 0]
    assert places == sorted(places), told


async def test_space_is_the_pedal_while_the_computers_keys_play_and_never_ends_the_music(
    chromium: Browser, server: RtcServer
) -> None:
    page = await opened(chromium, server, touch=False, perform=True)
    await until(page, "rtcserver.midi.playable")
    pedal = "document.querySelector('#sustain').getAttribute('aria-pressed')"
    await page.keyboard.press("Tab")
    await page.focus("#listen")
    for _ in range(2):
        await page.keyboard.down("Space")
        assert await page.evaluate(pedal) == "true"
        await page.keyboard.up("Space")
        assert await page.evaluate(pedal) == "false"
    assert await page.evaluate("rtcserver.state") == "live"
    # On other controls it is theirs, for those who walk through the page, until a note is played.
    await page.keyboard.press("Tab")
    await page.focus("#mute")
    await page.keyboard.press("Space")
    assert await page.evaluate("document.querySelector('#mute').getAttribute('aria-pressed')") == "true"
    await page.keyboard.press("KeyQ")
    await page.keyboard.down("Space")
    assert await page.evaluate(pedal) == "true"
    await page.keyboard.up("Space")
    assert await page.evaluate("document.querySelector('#mute').getAttribute('aria-pressed')") == "true"
    await page.focus("#listen")
    await page.keyboard.press("Enter")
    await until(page, "rtcserver.state === 'idle'")
    # Nobody plays any more: space starts the music as every button's does.
    await page.keyboard.press("Space")
    await until(page, "rtcserver.state === 'live'")

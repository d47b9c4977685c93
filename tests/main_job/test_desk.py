"""The performer's desk in Chromium: two listeners and a Studio client in a live table, sorted, muted, removed, invited."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page

from tests.main_job.test_accessible import AXE, FIND
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.perform import performer_token
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for what pages report once a second")

HOSTILE = "<img src=x onerror=window.harmed=1>\u202eAda"
ROWS = "document.querySelectorAll('.people tbody tr').length"
ROW = """((id) => {
  const text = (cell, part) => document.querySelector(`tr[data-id="${id}"] [data-cell="${cell}"] ${part}`)?.textContent;
  const cells = ["name", "mode", "delay", "lost", "since"];
  return Object.fromEntries(cells.map((one) => [one, [text(one, "b"), text(one, "small")]]));
})("%s")"""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="fluidsynth", demo="false") as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        yield server


@asynccontextmanager
async def studio_client(server: RtcServer) -> AsyncIterator[None]:
    """The headless client in Studio."""
    words = ("-m", "rtcserver", "client", server.room_url, "--mode", "studio", "--seconds", "60")
    quiet = asyncio.subprocess.DEVNULL
    client = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=REPOSITORY, stdout=quiet, stderr=quiet
    )
    try:
        yield
    finally:
        client.terminate()
        await client.wait()


async def performer(browser: Chromium, server: RtcServer) -> Page:
    """A page that performs, with its desk open."""
    page = await browser.open(f"{server.room_url}?listen#perform={performer_token(server)}")
    await until(page, "rtcserver.midi.playable")
    await page.click("#desk summary")
    await until(page, f"{ROWS} >= 1")
    return page


async def listener(browser: Chromium, server: RtcServer, name: str = "") -> tuple[Page, str]:
    """A page that listens, perhaps with a name, and its session's public name."""
    page = await browser.open(f"{server.room_url}?listen")
    await until(page, "rtcserver.state === 'live' && rtcserver.midi.session")
    if name:
        await page.fill("#listener-name", name)
        await page.press("#listener-name", "Enter")
    return page, str(await page.evaluate("rtcserver.midi.session"))


async def names(page: Page) -> list[str]:
    return list(
        await page.evaluate("[...document.querySelectorAll('.people tbody tr')].map((row) => row.dataset.id)")
    )


async def shows(page: Page, ear: Page, row: str) -> None:
    """The delay and each hop in the table are what the listener's own page has shown lately."""
    await ear.click("#arrival summary")
    own = """[document.querySelector("#strip-total")?.textContent.match(/([0-9]+) ms/)?.[1],
      ...["network", "buffer", "speaker"].map((hop) => document.querySelector(`[data-hop="${hop}"] b`)?.textContent)]"""
    told = f"""(() => {{
      const row = {ROW % row};
      const hop = (name) => row.delay[1]?.match(new RegExp(`${{name}} ([0-9]+)`))?.[1] ?? "0";
      return [row.delay[0]?.match(/([0-9]+)/)?.[1], ...["network", "buffer", "speaker"].map(hop)];
    }})()"""
    was: list[list[int]] = []
    for _ in range(100):
        seen, said = (
            await ear.evaluate(own),
            await page.evaluate(told),
        )
        if all(str(one).isdigit() for one in seen):
            was.append([int(one) for one in seen])
        if was and all(str(one).isdigit() for one in said):
            table = [int(one) for one in said]
            # Each is rounded to whole milliseconds, on both pages, and the total is of another moment of the same second.
            if any(
                all(abs(a - b) <= 1 for a, b in zip(table[1:], one[1:], strict=True))
                and abs(table[0] - one[0]) <= 3
                for one in was[-40:]
            ):
                return
        await asyncio.sleep(0.1)
    pytest.fail(f"the table says {said}, and the page said {was[-40:]}")


async def test_the_desk(server: RtcServer) -> None:
    async with Chromium() as browser, studio_client(server):
        page = await performer(browser, server)
        own = str(await page.evaluate("rtcserver.midi.session"))
        (first, ada), (_, other) = (
            await listener(browser, server, HOSTILE),
            await listener(browser, server),
        )
        await until(page, f"{ROWS} === 4 && {ROW % ada}.name[0].startsWith('<img src=x')")
        rows: dict[str, Any] = {one: await page.evaluate(ROW % one) for one in await names(page)}
        assert rows[ada]["name"][0] == HOSTILE.replace("\u202e", " ")[:32].strip()
        assert rows[ada]["name"][1].startswith("Chrome ")
        assert rows[own]["name"][1].startswith("you, performs, ")
        assert sorted(row["mode"][0] for row in rows.values()) == ["Listen", "Listen", "Listen", "Studio"]
        assert not await page.evaluate("window.harmed")
        await shows(page, first, ada)

        # Sorted by the time that they are here, either way, and by the name: those without one come last.
        assert (await names(page))[-1] == other
        await page.click('[data-column="since"] button')
        assert (await names(page))[0] == other
        assert await page.get_attribute('[data-column="since"]', "aria-sort") == "ascending"
        await page.click('[data-column="name"] button')
        assert (await names(page))[0] == ada
        assert await page.get_attribute('[data-column="since"]', "aria-sort") is None

        await page.evaluate(AXE.read_text("utf-8"))
        assert await page.evaluate(FIND) == []
        await page.set_viewport_size({"width": 390, "height": 844})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate(FIND) == []
        await page.set_viewport_size({"width": 1280, "height": 900})

        # Removed, a page is told so, and stays away until somebody presses its button.
        await page.click(f'tr[data-id="{ada}"] [data-deed="remove"]')
        await page.click(f'tr[data-id="{ada}"] [data-deed="confirm"]')
        await until(page, f"{ROWS} === 3")
        await until(first, "document.querySelector('#headline').textContent === 'You were removed'")
        assert await first.get_attribute("#listen", "data-action") == "Listen again"
        await asyncio.sleep(3)
        assert await first.evaluate("rtcserver.state") == "failed"
        for _ in range(20):
            await first.click("#listen")
            await until(first, "['live', 'failed'].includes(rtcserver.state)")
            if await first.evaluate("rtcserver.state") == "live":
                break
            await asyncio.sleep(1)
        await until(page, f"{ROWS} === 4")


async def test_who_is_muted_is_told_so_and_sounds_no_more(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await performer(browser, server)
        guest = await browser.open(f"{server.room_url}?listen#perform={performer_token(server)}")
        await until(guest, "rtcserver.midi.playable")
        session = await guest.evaluate("rtcserver.midi.session")
        await guest.evaluate("rtcserver.midi.press(60)")
        await until(page, "rtcserver.midi.lit().includes(60)")
        mute = f'tr[data-id="{session}"] [data-deed="mute"]'
        await until(page, f"document.querySelector('{mute}')")
        await page.click(mute)
        # What they hold ends, and what they play now is not taken; others play on.
        await until(page, "!rtcserver.midi.lit().includes(60)")
        await until(guest, "/muted you/.test(document.querySelector('#stage-note').textContent)")
        await guest.evaluate("rtcserver.midi.press(62)")
        await page.evaluate("rtcserver.midi.press(64)")
        await until(page, "rtcserver.midi.lit().includes(64)")
        assert not await page.evaluate("rtcserver.midi.lit().includes(62)")
        await page.evaluate("rtcserver.midi.release(64)")
        await until(page, f"document.querySelector('{mute}').textContent === 'Unmute'")
        # A page that is loaded again is another session, and muted all the same.
        await guest.reload()
        await until(guest, "/muted you/.test(document.querySelector('#stage-note').textContent)")
        session = await guest.evaluate("rtcserver.midi.session")
        mute = f'tr[data-id="{session}"] [data-deed="mute"]'
        await until(page, f"document.querySelector('{mute}')?.textContent === 'Unmute'")
        await page.click(mute)
        await until(guest, "document.querySelector('#stage-note').textContent === ''")
        await guest.evaluate("rtcserver.midi.press(65)")
        await until(page, "rtcserver.midi.lit().includes(65)")


@pytest.mark.parametrize("role", ["listen", "perform"])
async def test_an_invitation_lets_another_browser_in(server: RtcServer, role: str) -> None:
    async with Chromium() as browser:
        page = await performer(browser, server)
        await page.select_option("#invite-role", role)
        await page.click("#invite-make")
        await until(page, "document.querySelector('#invite-link').value")
        link = await page.input_value("#invite-link")
        assert link.startswith(f"{server.room_url}#{role}=")
        guest = await browser.open(link.replace("#", "?listen#"))
        await until(guest, "rtcserver.state === 'live' && rtcserver.midi.session")
        assert "#" not in guest.url
        if role == "perform":
            await until(guest, "rtcserver.midi.role === 'performer'")
        else:
            assert await guest.evaluate("rtcserver.midi.role") == "listener"

"""The page in real Chromium: opened, heard on both sides, and reconnecting by itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.capture.plugins import HEAD, install
from tests.main_job.test_listening import TRANSPORTS, live
from tests.rig.chromium import Chromium, hear
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for the page's state and listens to tones")


async def until(page: Any, expression: str, timeout_s: float = 20.0) -> Any:
    """Poll a JavaScript expression until it is truthy; the page's CSP forbids wait_for_function."""
    for _ in range(round(timeout_s / 0.1)):
        value = await page.evaluate(expression)
        if value:
            return value
        await asyncio.sleep(0.1)
    pytest.fail(f"not in {timeout_s} s: {expression}")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_click_on_listen_and_the_sound_is_there(transport: str) -> None:
    with RtcServer(instrument="tone", transport=transport) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(server.url)
            assert page.url == server.room_url
            await page.click("#listen")
            await until(page, "document.querySelector('#status').dataset.state === 'live'")
            left, right = (await hear(page, 2.0)).sides
            stats = await until(page, "window.rtcserver.stats()?.stereo && window.rtcserver.stats()")
            meters = await page.evaluate(
                "['left','right'].map((s) => document.querySelector(`#meter-${s}`).textContent.trim())"
            )
    assert (left.hz, right.hz) == (pytest.approx(440, abs=1), pytest.approx(660, abs=1))
    assert left.dbfs == pytest.approx(-18, abs=1.5)
    assert stats["codec"] == "opus"
    assert stats["bufferMs"] is not None
    assert all(meters)


COUNTING = """
window.drawn = 0;
window.away = false;
for (const name of ["clearRect", "fillRect", "fillText", "fill", "stroke", "drawImage", "putImageData"]) {
  const { [name]: original } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype[name] = function (...words) { window.drawn += 1; return original.apply(this, words); };
}
Object.defineProperty(Document.prototype, "hidden", { get: () => window.away });
window.leave = (away) => { window.away = away; document.dispatchEvent(new Event("visibilitychange")); };
"""
"""Counts what is drawn on all canvases; `leave(true)` hides the page, whose frames go on all the same."""


async def _draws_only_when_seen(page: Any, readings: str) -> None:
    level = "document.querySelector('#meter-left').ariaValueNow"
    before = await page.evaluate("drawn")
    await until(page, f"drawn > {before} + 200")
    await page.evaluate("leave(true)")
    hidden, shown, since = await page.evaluate(f"[drawn, {level}, {readings}]")
    await until(page, f"({readings}) > {since} + 1500")
    assert await page.evaluate(f"[drawn, {level}]") == [hidden, shown]
    await page.evaluate("leave(false)")
    await until(page, f"drawn > {hidden} + 200")


async def test_a_hidden_page_draws_nothing_until_it_is_seen_again() -> None:
    with RtcServer(instrument="fluidsynth", arguments=("--demo",)) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open("about:blank")
            await page.add_init_script(COUNTING)
            await page.goto(f"{server.room_url}?listen")
            await until(page, "rtcserver.state === 'live'")
            await _draws_only_when_seen(page, "rtcserver.stats()?.atMs ?? 0")
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.state === 'playing'")
            await _draws_only_when_seen(page, "rtcserver.studio.stats()?.atMs ?? 0")


LOADS = (
    HEAD
    + """
    options = (Option("gate", "", "A file that ends the loading."),)
    def __init__(self, rate, options):
        import pathlib
        from rtcserver.capture.loading import report
        while not pathlib.Path(options["gate"]).exists():
            report("loading grand.sf2", 0.4)
            time.sleep(0.1)
    def render(self, frames, first_frame):
        return 0.1 * np.sin(np.arange(first_frame, first_frame + frames) * 0.05)
"""
)


async def test_the_page_says_what_the_instrument_loads_and_then_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, grand=LOADS)
    gate = tmp_path / "gate"
    config = f'instrument = "grand"\noptions = {{ gate = "{gate}" }}\n'
    path = f"{tmp_path}{os.pathsep}{REPOSITORY}"
    with RtcServer(config=config, env={"PYTHONPATH": path}) as server:
        async with Chromium() as browser:
            page = await browser.open(server.room_url + "?listen")
            shown = "document.querySelector('#status').innerText"
            await until(page, f"{shown}.includes('loading grand.sf2, 40 %')")
            assert "The instrument is starting" in await page.evaluate(shown)
            gate.touch()
            await until(page, f"!{shown}.includes('loading')")
            heard = await hear(page, 1.0)
            restarts = server.health()["processes"]["instrument:main"]["restarts"]
    assert heard.sides[0].dbfs > -40
    assert restarts == 0


async def test_the_page_reconnects_when_the_server_comes_back() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(server.room_url + "?listen")
            await until(page, "document.querySelector('#status').dataset.state === 'live'")
            first = await page.evaluate("String(window.rtcserver.session)")
            server.kill()
            await until(page, "document.querySelector('#status').dataset.state !== 'live'")
            words = await page.evaluate("document.querySelector('#status').innerText")
            server.start()
            await until(page, "document.querySelector('#status').dataset.state === 'live'", 40)
            left, _ = (await hear(page, 1.0)).sides
    assert words
    assert first
    assert left.hz == pytest.approx(440, abs=1)


async def test_a_quality_that_is_chosen_is_sent_and_remembered() -> None:
    def sent(session: dict[str, Any]) -> tuple[str, bool]:
        return session["tier"], session["pinned"]

    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(server.room_url + "?listen")
            await until(page, "window.rtcserver.stats()?.packets > 50")
            await until(page, "!document.querySelector('#quality-row').hidden")
            await page.select_option("#quality", "low")
            await until(
                page, "window.rtcserver.stats().packets < 60 && window.rtcserver.stats().bitrateBps < 100000"
            )
            (session,) = server.get_json("/api/rooms/main")["sessions"]
            assert sent(session) == ("low", True)
            assert session["counters"]["tier_changes"] == 1
            # The stream went on: no packet is missing, and the sound is the same.
            assert await page.evaluate("window.rtcserver.stats().lostTotal") == 0
            left, right = (await hear(page, 1.0)).sides
            await page.reload()
            await until(
                page, "window.rtcserver.stats()?.bitrateBps < 100000 && window.rtcserver.stats().packets > 30"
            )
            assert await page.evaluate("document.querySelector('#quality').value") == "low"
    assert (left.hz, right.hz) == (pytest.approx(440, abs=1), pytest.approx(660, abs=1))
    assert left.dbfs == pytest.approx(-18, abs=1.5)

"""Studio in real Chromium: every sample as the instrument played it, by each way that browsers have."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import Route

from rtcserver.client.measure import side
from rtcserver.network.impair import CLEAN, Impairment
from tests.main_job.test_listening import live
from tests.rig.chromium import Chromium
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer
from tests.studio.listening import RATE, listen, listeners, noise, record, record_exact, studio, until

pytestmark = pytest.mark.unhurried("compares samples by their frame numbers, and waits for states")

STEADY_S = 11
"""Studio that has played for less than 10 s does not come back by itself."""
EXACT_QUANTA = 200
"""0.58 s of samples that must be the instrument's own."""
BALANCED, SAFE = 2, 4
"""Places between tight and safe."""

NO_STREAMS = "delete window.RTCRtpScriptTransform;"
NO_TRANSFORM = NO_STREAMS + "delete RTCRtpReceiver.prototype.createEncodedStreams;"
NO_TRANSFER = """
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (message, moved) {
  if (message.type === "channel") throw new DOMException("channels stay here", "DataCloneError");
  postMessage.call(this, message, moved);
};
"""
"""A browser that cannot hand DataChannels to a worker: the page relays their messages."""
WAYS = {
    "transform": "",
    "streams": NO_STREAMS,
    "message port": "",
    "channel": NO_TRANSFORM,
    "relayed channel": NO_TRANSFORM + NO_TRANSFER,
    "channel, message port": NO_TRANSFORM,
}
"""What each way lacks, as a script that runs before the page's."""
TELEMETRY = """
window.said = [];
const { send } = RTCDataChannel.prototype;
RTCDataChannel.prototype.send = function (data) {
  if (this.label === "telemetry") window.said.push(JSON.parse(data));
  send.call(this, data);
};
"""
"""Keeps all that the page says on `telemetry`."""


async def _opened(browser: Chromium, url: str, script: str = "") -> BrowserPage:
    page = await browser.open("about:blank")
    if script:
        await page.add_init_script(script)
    await page.goto(url)
    return page


async def _without_isolation(page: BrowserPage) -> None:
    async def fulfil(route: Route) -> None:
        response = await route.fetch()
        headers = {name: value for name, value in response.headers.items() if "cross-origin" not in name}
        await route.fulfill(response=response, headers=headers)

    await page.route("**/r/main", fulfil)


@pytest.mark.realtime  # a processor that is taken away empties the ring, which is then no longer exact
@pytest.mark.parametrize("way", WAYS)
async def test_every_sample_arrives_as_it_was_played(tmp_path: Path, way: str) -> None:
    played = noise(tmp_path / "noise.wav")
    with RtcServer(instrument="file", file=tmp_path / "noise.wav", samplerate=44_100) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, "about:blank", WAYS[way])
            alone = way.endswith("message port")
            if alone:
                await _without_isolation(page)
            await page.goto(server.room_url)
            assert await page.evaluate("crossOriginIsolated") is not alone
            support = await page.evaluate("rtcserver.studio.support.way")
            assert support == (
                "channel" if "channel" in way else "streams" if way == "streams" else "transform"
            )
            await listen(page)
            await studio(page)
            # The Listen session ends when Studio has taken over: one is left.
            await until(page, "rtcserver.state === 'idle'")
            recording = await record_exact(page, EXACT_QUANTA)
            await until(page, "rtcserver.studio.stats().measured")
            await until(page, f"rtcserver.studio.stats()?.ring.place === {BALANCED}")
            await page.fill("#studio-safety", str(SAFE))
            # The worklet follows the choice, wherever its ring lies, and the page remembers it.
            await until(page, f"rtcserver.studio.stats()?.ring.place === {SAFE}")
            assert await page.evaluate("JSON.parse(localStorage['rtcserver.settings']).safety") == SAFE
            stats: dict[str, Any] = await page.evaluate("rtcserver.studio.stats()")
            ends = listeners(server)
    quanta, worst = recording.null_test(played, 24)
    assert quanta >= EXACT_QUANTA
    assert worst == 0
    assert ends == 1
    assert (stats["ring"]["rate"], stats["ring"]["contextRate"], stats["ring"]["bits"]) == (
        44_100,
        44_100,
        24,
    )
    assert stats["format"]["exact"] is True
    assert stats["ring"]["invalid"] == 0
    assert 0 < stats["browserMs"] < 250


async def test_listen_is_back_before_studio_ends() -> None:
    with RtcServer(instrument="tone", samplerate=44_100) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url)
            await listen(page)
            await studio(page)
            await until(page, "rtcserver.state === 'idle'")
            await page.click("#mode-listen")
            await until(page, "rtcserver.studio.state === 'off'")
            state = await page.evaluate("[rtcserver.state, rtcserver.studio.session.notice]")
            await until(page, "document.querySelector('#audio').volume === 1")
            for _ in range(50):
                if listeners(server) == 1:
                    break
                await asyncio.sleep(0.1)
            ends = listeners(server)
    assert state == ["live", ""]
    assert ends == 1


async def test_stop_stops_studio_and_the_next_listen_goes_on_to_it() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url + "?studio=exact")
            await until(page, "rtcserver.studio.state === 'playing'")
            await page.click("#listen")
            await until(page, "rtcserver.studio.state === 'off' && rtcserver.state === 'idle'")
            headline = await page.text_content("#headline")
            await page.click("#listen")
            await until(page, "rtcserver.studio.state === 'playing'")
    assert headline == "Ready"


async def test_a_mix_with_gains_is_not_called_exact() -> None:
    with RtcServer(instrument="tone", mix="1:L:-6, 2:R:-6") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url + "?studio=exact")
            await until(page, "rtcserver.studio.state === 'playing'")
            await until(page, "document.querySelector('#studio-exact').textContent !== '–'")
            said = [await page.text_content(f"#studio-{name}") for name in ("exact", "ratio")]
    assert said == ["No", "a mix, rounded by the server"]


async def test_turned_down_is_not_called_exact() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url + "?studio=exact")
            await until(page, "rtcserver.studio.state === 'playing'")
            await page.fill("#volume", "50")
            await until(page, "rtcserver.studio.stats().untouched === false")
            await until(page, "document.querySelector('#studio-exact').textContent === 'No'")


@pytest.mark.realtime  # Studio gives up on a page that has no processor for seconds
async def test_one_more_than_there_are_places_is_told_so_and_stays_in_listen_where_there_is_no_light() -> (
    None
):
    with RtcServer(instrument="tone", studio_listeners=1, studio_light_listeners=0) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            first = await _opened(browser, server.room_url + "?studio=exact")
            await until(first, "rtcserver.studio.state === 'playing'")
            second = await _opened(browser, server.room_url)
            await listen(second)
            await second.click("#mode-studio")
            await until(second, "rtcserver.studio.session.notice")
            line = await second.text_content("#studio-line")
            state = await second.evaluate("[rtcserver.state, rtcserver.studio.state]")
            offered = await second.is_visible("#studio-again")
    assert line is not None
    assert "The only Studio place of this room is taken" in line
    assert line.endswith("You are in Listen.")
    assert state == ["live", "off"]
    assert offered


async def test_a_network_that_cannot_carry_it_leads_back_to_listen_and_the_way_back_is_offered() -> None:
    with (
        RtcServer(instrument="tone") as server,
        UdpRelay(("127.0.0.1", server.port), seed=7) as relay,
    ):
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(server.room_url, relay)
            await listen(page)
            await studio(page)
            relay.impair(down=Impairment(loss=0.5))
            await until(page, "rtcserver.studio.session.offered", 30)
            notice = await page.evaluate("rtcserver.studio.session.notice")
            relay.impair(down=CLEAN)
            await until(page, "rtcserver.studio.state === 'off' && rtcserver.state === 'live'")
            await page.click("#studio-again")
            await until(page, "rtcserver.studio.state === 'playing'")
    assert "for Studio" in notice


@pytest.mark.parametrize("way", ["transform", "channel"])
async def test_losses_are_reported_and_answered_with_redundancy(way: str) -> None:
    with (
        RtcServer(instrument="tone") as server,
        # What comes on a DataChannel is DTLS to the relay.
        UdpRelay(("127.0.0.1", server.port), seed=7, spare=("stun", "rtcp")) as relay,
    ):
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open("about:blank", relay)
            await page.add_init_script(WAYS[way])
            await page.goto(server.room_url)
            await listen(page)
            await studio(page)
            # On a path this short, what is asked for again is there before the next block, and nobody can tell that it
            # was lost. With a way back of several blocks it is the redundancy that repairs.
            relay.impair(up=Impairment(delay_ms=20), down=Impairment(loss=0.02))
            await until(page, "rtcserver.studio.stats().format.redundancy", 30)
            before = await page.evaluate("rtcserver.studio.stats().ring.repaired")
            await until(page, f"rtcserver.studio.stats().ring.repaired >= {before} + 10", 30)


async def test_an_insecure_page_says_what_to_do() -> None:
    with RtcServer(instrument="tone") as server:
        async with Chromium() as browser:
            # The page's address is the server's own, so that nothing leaves the machine; it is secure by nature.
            page = await _opened(
                browser, server.room_url, "Object.defineProperty(window, 'isSecureContext', {value: false})"
            )
            line = await page.text_content("#studio-line")
            disabled = await page.is_disabled("#mode-studio")
    assert line is not None
    assert "--tls auto" in line
    assert disabled


async def test_without_transforms_the_tones_are_on_their_sides() -> None:
    with RtcServer(instrument="tone", samplerate=RATE) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url, NO_TRANSFORM)
            await listen(page)
            await studio(page)
            recording = await record(page, 2)
            (session,) = await _sessions(server, 1)
            metrics = await page.evaluate("fetch('/metrics').then((response) => response.text())")
    pcm = (recording.samples * 32767).astype(np.int16)
    heard = [side(pcm[:, n], RATE) for n in (0, 1)]
    assert [one.hz for one in heard] == [pytest.approx(440, abs=0.5), pytest.approx(660, abs=0.5)]
    assert (session["mode"], session["payload"]) == ("studio-channel", "silence")
    assert 'rtcserver_listeners{mode="studio-channel",room="main"} 1.0' in metrics
    assert 'event="studio_channel_sent"' in metrics


@pytest.mark.realtime  # a page that has no processor for seconds starts more than one attempt
async def test_studio_is_back_after_the_broadcast_process_died() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url + "?studio=exact")
            await until(page, "rtcserver.studio.state === 'playing'")
            generation = await page.evaluate("rtcserver.studio.session.generation")
            await asyncio.sleep(STEADY_S)
            os.kill(server.health()["processes"]["broadcast"]["pid"], signal.SIGKILL)
            # It may be back before anybody has seen that it was away.
            await until(page, f"rtcserver.studio.session.generation > {generation}")
            await until(page, "rtcserver.studio.state === 'playing'")
            after = await page.evaluate("rtcserver.studio.session")
            await until(page, "rtcserver.state === 'idle'")
            recording = await record(page, 0.5)
    assert (after["generation"], after["notice"]) == (generation + 1, "")
    assert recording.samples.any()


async def test_a_recording_fails_when_its_session_ends() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url + "?studio=exact")
            await until(page, "rtcserver.studio.state === 'playing'")
            await page.evaluate(
                "void rtcserver.studio.record(44100 * 60).catch((error) => { window.failed = error.message; })"
            )
            await page.click("#mode-listen")
            await until(page, "window.failed")
            failed = await page.evaluate("window.failed")
    assert failed == "Studio has ended"


async def test_studio_tells_of_its_ring_and_of_the_notes_once_a_second() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server.room_url + "?studio=exact", TELEMETRY)
            await until(page, "rtcserver.studio.state === 'playing'")
            await page.evaluate("window.said.length = 0")
            await until(page, "window.said.filter(({type}) => type === 'stats').length >= 3")
            said = await page.evaluate("window.said")
            (session,) = await _sessions(server, 1)
    reports = [one for one in said if one["type"] == "stats"]
    assert {"midi_events", "midi_missed", "midi_repaired", "clock_rtt_ms", "studio_level_ms"} <= set(
        reports[-1]
    )
    assert reports[-1]["studio_underruns"] >= 0
    assert reports[-1]["latency_ms"] > 0
    assert session["stats"].keys() >= {"studio_level_ms", "studio_target_ms", "midi_missed"}


async def _sessions(server: RtcServer, count: int) -> list[dict[str, Any]]:
    """The sessions of the room, once there are so many."""
    for _ in range(100):
        found: list[dict[str, Any]] = server.get_json("/api/rooms/main")["sessions"]
        if len(found) == count:
            return found
        await asyncio.sleep(0.1)
    pytest.fail(f"not {count} sessions: {found}")

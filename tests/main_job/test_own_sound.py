"""What a listener sets for their device alone, in real Chromium."""

from __future__ import annotations

import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer

pytestmark = [
    pytest.mark.realtime,  # Studio gives up on a page that has no processor for seconds
    pytest.mark.unhurried("waits for what the page says"),
]

LIVE = "rtcserver.state === 'live'"
SET = """(ms) => {
  const slider = document.querySelector('#own-delay');
  slider.value = ms;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""


FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
CONTEXTS = """
window.contexts = [];
window.AudioContext = class extends AudioContext { constructor(options) { super(options); contexts.push(this); } };
"""
THERE = """(there) => {
  const {mediaDevices} = navigator;
  mediaDevices.enumerateDevices = async () => {
    const all = await MediaDevices.prototype.enumerateDevices.call(mediaDevices);
    return all.filter(({label}) => there || !label.endsWith('Output 1'));
  };
  mediaDevices.dispatchEvent(new Event('devicechange'));
}"""


async def test_the_output_is_chosen_for_both_modes_remembered_and_may_go_away() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium(flags=FAKE) as browser:
            page = await browser.open(server.room_url)
            await page.context.grant_permissions(["microphone"])
            await page.click("#own-sound summary")
            await page.wait_for_selector("#own-output option >> nth=2", state="attached")
            await page.select_option("#own-output", label="Fake Audio Output 1")
            sink = "document.querySelector('#audio').sinkId"
            chosen = await page.input_value("#own-output")
            assert len(chosen) > 20
            await until(page, f"{sink} === '{chosen}'")

            await page.add_init_script(CONTEXTS)
            await page.goto(f"{server.room_url}?studio")
            await until(page, "rtcserver.studio.state === 'playing'", 30)
            everywhere = (
                f"{sink} === '{{0}}' && contexts.some(({{{{sinkId}}}}) => sinkId === '{chosen}') === {{1}}"
            )
            await until(page, everywhere.format(chosen, "true"))
            await page.evaluate(THERE, False)
            await until(page, everywhere.format("", "false"))
            assert "“Fake Audio Output 1”" in await page.inner_text("#output-notice")
            await page.evaluate(THERE, True)
            await until(page, everywhere.format(chosen, "true"))
            assert await page.is_hidden("#output-notice")


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
            await until(page, f"{LIVE} && rtcserver.stats()?.targetMs > 550", 60)
            await page.click("#own-sound summary")
            await page.wait_for_selector("#own-delay")
            assert await page.input_value("#own-delay") == "600"
            await page.evaluate(SET, 0)
            await until(page, "rtcserver.stats()?.bufferMs < 300", 60)
            await until(page, "document.querySelector('#headline').textContent === 'Good'")

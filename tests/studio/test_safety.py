"""No session ever hears PCM through a decoder: whatever is missing, dead or unset on the way.

All that the browser decodes in these tests is played, and its energy read from the browser's own counters.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.main_job.test_listening import live
from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer
from tests.studio.listening import PEERS, decoded, listen, studio, until

NO_TRANSFORM = """
delete window.RTCRtpScriptTransform;
delete RTCRtpReceiver.prototype.createEncodedStreams;
"""
TRANSFORM_NOT_ATTACHED = """
Object.defineProperty(RTCRtpReceiver.prototype, "transform", {get() { return null; }, set() {}});
"""
FLAG_UNSET = """
const { RTCPeerConnection: Counted } = window;
window.RTCPeerConnection = class extends Counted {
  constructor({ encodedInsertableStreams, ...configuration } = {}) { super(configuration); }
};
"""
WORKERS = """
window.workers = [];
const { Worker: NativeWorker } = window;
window.Worker = class extends NativeWorker {
  constructor(...all) { super(...all); window.workers.push(this); }
};
"""
DECEIVER = """async () => {
  // No transform, no flag, and yet it says that it is ready.
  const peer = new RTCPeerConnection();
  peer.addTransceiver("audio", {direction: "recvonly"});
  const telemetry = peer.createDataChannel("telemetry");
  telemetry.onopen = () => {
    telemetry.send(JSON.stringify({type: "hello", version: 1}));
    telemetry.send(JSON.stringify({type: "studio_ready", version: 1}));
  };
  await peer.setLocalDescription();
  const response = await fetch("/r/main/whep", {
    method: "POST", body: peer.localDescription.sdp,
    headers: {"Content-Type": "application/sdp", "Rtcserver-Mode": "studio"},
  });
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  return response.status;
}"""


async def _opened(browser: Chromium, server: RtcServer, script: str = "") -> Any:
    page = await browser.open("about:blank")
    await page.add_init_script(PEERS + script)
    await page.goto(server.room_url)
    return page


async def _packets(page: Any, peer: int, count: int) -> list[dict[str, float]]:
    """Wait until a connection has so many packets more than now."""
    before = (await decoded(page))[peer]["packets"]
    for _ in range(200):
        now = await decoded(page)
        if now[peer]["packets"] >= before + count:
            return now
        await asyncio.sleep(0.1)
    pytest.fail(f"not {count} packets in 20 s: {now}")


@pytest.mark.parametrize("script", [NO_TRANSFORM, TRANSFORM_NOT_ATTACHED])
async def test_without_frames_in_the_worker_there_is_no_pcm(script: str) -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server, script)
            await listen(page)
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.session.notice")
            state = await page.evaluate("[rtcserver.state, rtcserver.studio.state]")
            first, *others = await decoded(page)
            line = await page.text_content("#studio-line")
    assert state == ["live", "off"]
    assert line is not None
    assert line.endswith("You are in Listen.")
    assert first["energy"] > 0, "what Listen decodes can be heard, so the measurement works"
    assert others
    assert all(one["energy"] == 0 for one in others)


async def test_without_the_flag_nothing_is_decoded() -> None:
    """Chromium 156 hands out frames without it, too, if the transform was there before the offer."""
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server, FLAG_UNSET)
            await listen(page)
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.session.notice || rtcserver.studio.state === 'playing'")
            heard = await decoded(page)
    assert heard[1]["energy"] == 0


async def test_when_the_worker_dies_there_is_silence_and_then_listen() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server, WORKERS)
            await listen(page)
            await studio(page)
            await page.evaluate("workers.forEach((worker) => worker.terminate())")
            heard = await _packets(page, 1, 500)
            await until(page, "rtcserver.studio.session.offered")
            await until(page, "rtcserver.studio.state === 'off' && rtcserver.state === 'live'")
            notice = await page.evaluate("rtcserver.studio.session.notice")
    assert heard[1]["energy"] == 0, "over a second of PCM came, and none of it was decoded"
    assert notice


async def test_pcm_that_reaches_a_decoder_all_the_same_is_refused_by_it() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server)
            await listen(page)
            assert await page.evaluate(DECEIVER) == 201
            heard = await _packets(page, 1, 1000)
    assert heard[0]["energy"] > 0
    assert heard[1]["energy"] == 0

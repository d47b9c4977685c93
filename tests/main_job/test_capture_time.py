"""A page that knows nothing of this server learns from the packets how old its sound is, in real Chromium."""

from __future__ import annotations

import pytest

from tests.main_job.test_listening import live
from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for packets in a browser")

PLAYER = """async (url) => {
  const connection = new RTCPeerConnection();
  const receiver = connection.addTransceiver("audio", { direction: "recvonly" }).receiver;
  const audio = new Audio();
  audio.muted = true;
  audio.srcObject = new MediaStream([receiver.track]);
  await connection.setLocalDescription();
  const response = await fetch(url, {
    method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp,
  });
  const answer = await response.text();
  await connection.setRemoteDescription({ type: "answer", sdp: answer });
  await audio.play();
  const ages = [];
  const places = [];
  for (let tries = 0; tries < 200 && ages.length < 20; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [source] = receiver.getSynchronizationSources();
    if (source?.captureTimestamp === undefined) continue;
    // From 1900, by the sender's clock, which is this machine's.
    ages.push([Date.now() + 2208988800000 - source.captureTimestamp, source.senderCaptureTimeOffset]);
    places.push([source.captureTimestamp, source.rtpTimestamp]);
  }
  connection.close();
  return { named: answer.includes("abs-capture-time"), ages, places };
}"""


async def test_a_plain_player_in_chromium_learns_when_its_sound_was_captured() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(server.url)
            found = await page.evaluate(PLAYER, f"{server.room_url}/whep")
    assert found["named"]
    assert len(found["ages"]) == 20, found
    ages = sorted(age for age, _ in found["ages"])
    # Of the packet that is played: older than its own length and NetEQ's least delay, and no minute of a clock's mistake.
    assert 10 < ages[0] <= ages[-1] < 10_000, ages
    assert all(offset == 0 for _, offset in found["ages"]), found
    # The RTP timestamp is the time of capture: it says the same everywhere, up to its origin. Our page lights keys by it.
    (captured, first), *others = found["places"]
    for at, timestamp in others:
        assert at - captured == pytest.approx(((timestamp - first + 2**31) % 2**32 - 2**31) / 48, abs=2), (
            found
        )

"""Listeners that know no Opus hear the tone: stock aiortc and Chromium, all at once, from one encoding for each codec."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Iterator

import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.measure import tone_dbfs
from tests.rig.chromium import Chromium, hear
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("asserts tones, counters and media time")

LEFT_HZ, RIGHT_HZ, TONE_DBFS = 440.0, 660.0, -18.0
"""The tone instrument's defaults."""
MEAN_DB = -6.02
"""Of one side's tone in the mean of both."""
LISTEN = """async (url) => {
  const peer = window.telephone = new RTCPeerConnection();
  const audio = Object.assign(document.createElement("audio"), { id: "telephone", autoplay: true });
  document.body.append(audio);
  peer.ontrack = ({ track }) => { audio.srcObject = new MediaStream([track]); };
  const transceiver = peer.addTransceiver("audio", { direction: "recvonly" });
  const { codecs } = RTCRtpReceiver.getCapabilities("audio");
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "audio/PCMU"));
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await fetch(url, {
    method: "POST", body: peer.localDescription.sdp, headers: { "content-type": "application/sdp" },
  });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return peer.localDescription.sdp;
}"""
STATS = """async () => {
  const stats = [...(await window.telephone.getStats()).values()];
  const { packetsLost, jitter, codecId } = stats.find(({ type }) => type === "inbound-rtp");
  return { packetsLost, jitter, mime: stats.find(({ id }) => id === codecId).mimeType };
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    """One that plays the tone."""
    with RtcServer(instrument="tone") as running:
        running.wait_healthy(lambda said: said["status"] == "ok")
        yield running


def further(server: RtcServer) -> set[str]:
    """The encodings that are made beside the room's own."""
    return set(server.health()["rooms"]["main"]["further"])


def counted(server: RtcServer) -> dict[str, str]:
    """Listeners by codec, as the metrics have them."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        return dict(re.findall(r'_by_codec\{codec="(\w+)",room="main"\} (\S+)', answer.read().decode()))


@pytest.mark.realtime
async def test_stock_clients_hear_the_tone_at_its_level_in_each_codec(server: RtcServer) -> None:
    codecs = {"pcmu": "PCMU/8000", "pcma": "PCMA/8000", "g722": "G722/8000", "opus": "opus/48000/2"}
    ears = [Listener(server.room_url, codec=codec) for codec in codecs]
    await asyncio.gather(*(ear.connect() for ear in ears))
    try:
        assert all(await asyncio.gather(*(ear.hear(2.0) for ear in ears)))
        assert further(server) == {"pcmu", "pcma", "g722"}
        assert {codec for codec, count in counted(server).items() if float(count) > 0} == {*codecs}
        for ear, (codec, name) in zip(ears, codecs.items(), strict=True):
            got = ear.report(2.0).to_json()
            assert (got["codec"], got["frame_ms"]) == (name, 10 if codec == "opus" else 20)
            assert (got["lost"], got["timestamp_errors"], got["audio_missing_ms"]) == (0, 0, 0)
            sound = ear.audio(1.0)
            for side, hz in enumerate((LEFT_HZ, RIGHT_HZ)):
                heard = tone_dbfs(sound[:, side], hz)
                assert heard == pytest.approx(TONE_DBFS if codec == "opus" else TONE_DBFS + MEAN_DB, abs=0.3)
            if codec != "opus":
                # Both tones are on both sides: there is one channel.
                assert (sound[:, 0] == sound[:, 1]).all()
    finally:
        await asyncio.gather(*(ear.close() for ear in ears))


@pytest.mark.realtime
async def test_chromium_hears_the_tone_in_pcmu(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        offer = await page.evaluate(LISTEN, f"{server.room_url}/whep")
        assert "opus" not in offer
        heard = await hear(page, 2.0, "#telephone")
        for side in heard.sides:
            assert side.hz in (pytest.approx(LEFT_HZ, abs=1), pytest.approx(RIGHT_HZ, abs=1))
            # Two tones of one level together.
            assert side.dbfs == pytest.approx(TONE_DBFS + MEAN_DB + 3, abs=1.5)
        stats = await page.evaluate(STATS)
        assert (stats["mime"], stats["packetsLost"]) == ("audio/PCMU", 0)
        # Seconds: a clock that was taken for 48 kHz would make of every packet 100 ms of jitter.
        assert stats["jitter"] < 0.06
        assert "pcmu" in further(server)

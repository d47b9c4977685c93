"""Studio in real Firefox, over a cable between two network namespaces (needs root)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rtcserver.client.measure import side
from tests.main_job.test_listening import live
from tests.rig.firefox import Firefox, NullSink
from tests.rig.netns import Namespace, lan
from tests.rig.server import RtcServer
from tests.studio.listening import RATE, listen, noise, record, record_exact, studio, until
from tests.studio.test_light import LEFT_HZ, RIGHT_HZ, TONES, phase
from tests.studio.test_safety import DECEIVER

pytestmark = pytest.mark.unhurried("compares samples by their frame numbers")

EXACT_QUANTA = 100

_ENERGY = """async () => {
  const stats = [...(await peers[0].getStats()).values()];
  const inbound = stats.find(({type}) => type === "inbound-rtp");
  return {packets: inbound?.packetsReceived ?? 0, energy: inbound?.totalAudioEnergy};
}"""


class _ServerIn(RtcServer):
    """The server inside a namespace."""

    def __init__(self, space: Namespace, **settings: object) -> None:
        super().__init__(port=8080, **settings)  # type: ignore[arg-type]  # settings are the server's own keys
        self._space = space

    def start(self) -> None:
        with self._space.entered():
            super().start()
        self.wait_healthy(live)

    def get_json(self, path: str) -> Any:
        with self._space.entered():
            return super().get_json(path)


async def test_every_sample_arrives_as_it_was_played(tmp_path: Path) -> None:
    played = noise(tmp_path / "noise.wav")
    with (
        lan() as net,
        _ServerIn(net.server, instrument="file", file=tmp_path / "noise.wav", samplerate=44_100),
        NullSink() as sink,
        net.client.entered(),
    ):
        async with Firefox(sink, (net.ipv4,)) as browser:
            page = await browser.open(f"http://{net.ipv4}:8080/r/main")
            way = await page.evaluate("rtcserver.studio.support.way")
            await listen(page)
            await studio(page)
            recording = await record_exact(page, EXACT_QUANTA)
            ring = await page.evaluate("rtcserver.studio.stats().ring")
            await page.click("#mode-listen")
            await until(page, "rtcserver.studio.state === 'off' && rtcserver.state === 'live'")
    quanta, worst = recording.null_test(played, 24)
    assert way == "transform"
    assert quanta >= EXACT_QUANTA
    assert worst == 0
    assert (ring["contextRate"], ring["invalid"]) == (44_100, 0)


async def test_light_is_heard_on_its_sides_and_in_its_place_though_firefox_offers_no_red() -> None:
    """No RED (RFC 2198) is no earlier frames: plain packets, and it changes to the samples and back."""
    with (
        lan() as net,
        _ServerIn(net.server, **TONES) as server,
        NullSink() as sink,
        net.client.entered(),
    ):
        async with Firefox(sink, (net.ipv4,)) as browser:
            page = await browser.open(f"http://{net.ipv4}:8080/r/main")
            await page.evaluate("rtcserver.studio.pin('light')")
            await listen(page)
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.state === 'playing'")
            await asyncio.sleep(0.5)
            recording = await record(page, 0.5)
            stats = await page.evaluate("rtcserver.studio.stats()")
            said = server.get_json("/api/rooms/main")["sessions"]
            await page.evaluate("rtcserver.studio.pin('exact')")
            await until(page, "rtcserver.studio.stats().ring.bits === 24")
            exact = await record(page, 0.2)
            await page.evaluate("rtcserver.studio.pin('light')")
            await until(page, "rtcserver.studio.stats().ring.bits === 0")
            light = await record(page, 0.2)
    left, right = (side(recording.samples[:, one] * 32767, RATE) for one in (0, 1))
    # A busy machine's ring follows the clock by up to 0.3 %.
    assert left.hz == pytest.approx(LEFT_HZ, rel=0.006)
    assert right.hz == pytest.approx(RIGHT_HZ, rel=0.006)
    assert left.dbfs == pytest.approx(-18, abs=1)
    assert right.dbfs == pytest.approx(-18, abs=1)
    assert (stats["format"]["quality"], stats["ring"]["bits"], stats["ring"]["invalid"]) == ("light", 0, 0)
    assert [one["payload"] for one in said if one["mode"] == "studio"] == ["opus-light"]
    for one, hz in ((0, LEFT_HZ), (1, RIGHT_HZ)):
        # Of so little that the ring's own speed does not matter.
        phases = [phase(each.samples[: RATE // 10, one], hz, each.frames[0]) for each in (exact, light)]
        apart = (phases[0] - phases[1] + 0.5 / hz) % (1 / hz) - 0.5 / hz
        assert abs(apart) < 0.001


async def test_pcm_that_reaches_the_decoder_is_refused_by_it() -> None:
    with (
        lan() as net,
        _ServerIn(net.server, instrument="tone"),
        NullSink() as sink,
        net.client.entered(),
    ):
        async with Firefox(sink, (net.ipv4,)) as browser:
            page = await browser.open(f"http://{net.ipv4}:8080/r/main")
            deceive = DECEIVER.replace(
                "const peer = new RTCPeerConnection();",
                "const peer = new RTCPeerConnection(); window.peers = [peer];"
                "peer.ontrack = ({track}) => { const audio = new Audio();"
                "audio.srcObject = new MediaStream([track]); audio.play(); };",
            )
            assert await page.evaluate(deceive) == 201
            for _ in range(200):
                heard = await page.evaluate(_ENERGY)
                if heard["packets"] >= 1000:
                    break
                await asyncio.sleep(0.1)
    assert heard["packets"] >= 1000
    assert heard["energy"] == 0

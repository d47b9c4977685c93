"""Studio light in real Chromium, by the decoder that it chooses: the sound in its place, losses repaired, and no gap between
the two qualities."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.client.measure import side
from rtcserver.network.impair import Impairment
from tests.main_job.test_listening import live
from tests.rig.chromium import Chromium
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer
from tests.studio.listening import RATE, record, until
from tests.studio.test_chromium import _without_isolation

pytestmark = pytest.mark.unhurried("judges samples by their frame numbers, and waits for states")

LEFT_HZ, RIGHT_HZ = 500.0, 800.0
TONES: dict[str, Any] = {
    "instrument": "tone",
    "samplerate": RATE,
    "tone_left_hz": LEFT_HZ,
    "tone_right_hz": RIGHT_HZ,
}
LOSSES = Impairment(loss=0.05)


async def _play(page: Any, url: str) -> None:
    await page.goto(f"{url}?studio=light")
    await until(page, "rtcserver.studio.state === 'playing'")


def phase(samples: npt.NDArray[np.float32], hz: float, first_frame: float) -> float:
    """Phase of a tone, against the device's frame numbers, in seconds within its period."""
    places = first_frame + np.arange(len(samples))
    angle = np.angle(np.sum(samples * np.exp(-2j * np.pi * hz * places / RATE)))
    return float(angle / (2 * np.pi * hz))


@pytest.mark.parametrize("memory", ["shared", "port"])
async def test_the_sound_is_the_instruments_and_its_sides_are_right(memory: str) -> None:
    with RtcServer(**TONES) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open("about:blank")
            if memory == "port":
                await _without_isolation(page)
            await _play(page, server.room_url)
            await asyncio.sleep(1)
            recording = await record(page, 1)
            stats = await page.evaluate("rtcserver.studio.stats()")
            said = server.get_json("/api/rooms/main")
    left, right = (side(recording.samples[:, one] * 32767, RATE) for one in (0, 1))
    # A busy machine's ring follows the clock by up to 0.3 %.
    assert left.hz == pytest.approx(LEFT_HZ, rel=0.004)
    assert right.hz == pytest.approx(RIGHT_HZ, rel=0.004)
    assert left.dbfs == pytest.approx(-18, abs=1)
    assert (stats["format"]["quality"], stats["ring"]["bits"], stats["ring"]["exact"]) == ("light", 0, False)
    assert stats["ring"]["invalid"] == 0
    (session,) = said["sessions"]
    assert session["quality"] == "light"
    assert session["payload"].startswith("opus-light")
    assert (said["studio"]["listeners"], said["studio"]["light"]["listeners"]) == (0, 1)


async def test_both_qualities_lie_on_one_line_and_change_without_a_click() -> None:
    with RtcServer(**TONES) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open("about:blank")
            await _play(page, server.room_url)
            await asyncio.sleep(2)
            # Exact first, so that both have the device's frame numbers.
            await page.evaluate("rtcserver.studio.pin('exact')")
            await until(page, "rtcserver.studio.stats().ring.bits === 24")
            await asyncio.sleep(2)
            exact = await record(page, 1)
            await page.evaluate("rtcserver.studio.pin('light')")
            await until(page, "rtcserver.studio.stats().ring.bits === 0")
            await asyncio.sleep(3)
            light = await record(page, 1)
            again = asyncio.ensure_future(record(page, 3))
            await asyncio.sleep(1)
            await page.evaluate("rtcserver.studio.pin('exact')")
            change = await again
            stats = await page.evaluate("rtcserver.studio.stats()")
    assert stats["ring"]["bits"] == 24
    for one, hz in ((0, LEFT_HZ), (1, RIGHT_HZ)):
        phases = [phase(each.samples[:, one], hz, each.frames[0]) for each in (exact, light)]
        apart = (phases[0] - phases[1] + 0.5 / hz) % (1 / hz) - 0.5 / hz
        assert abs(apart) < 0.001
        # What a tone's next sample cannot be by the two before it: a click's.
        samples = change.samples[:, one].astype(np.float64)
        odd = np.abs(samples[2:] - 2 * np.cos(2 * np.pi * hz / RATE) * samples[1:-1] + samples[:-2])
        assert odd.max() < 0.01


async def test_losses_are_repaired_by_earlier_frames() -> None:
    with (
        RtcServer(**TONES) as server,
        UdpRelay(("127.0.0.1", server.port), down=LOSSES, seed=14) as relay,
    ):
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open("about:blank", relay)
            await _play(page, server.room_url)
            await until(page, "rtcserver.studio.stats().ring.missed >= 60", 40)
            ring = await page.evaluate("rtcserver.studio.stats().ring")
            (session,) = server.get_json("/api/rooms/main")["sessions"]
    # 5 % of the packets, each with the frame before at least: one in four hundred frames has no copy, and with two none.
    assert ring["repaired"] > 0.75 * ring["missed"]
    assert session["payload"].startswith("opus-light+")

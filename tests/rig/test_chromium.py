"""Chromium hears the two tones of a stock server, each on its side."""

from __future__ import annotations

import time

import pytest

from rtcserver.network.impair import Impairment
from tests.client.whep_server import ToneTrack, WhepServer
from tests.peer.tones import LEFT_HZ, RIGHT_HZ
from tests.rig.chromium import Chromium, hear
from tests.rig.relay import UdpRelay


@pytest.mark.unhurried("asserts tones and counters")
async def test_a_page_listens_through_the_relay() -> None:
    """Its sound comes that way and no other: the relay carries what it plays."""
    with UdpRelay(down=Impairment(loss=0.25)) as relay:
        async with WhepServer(ToneTrack()) as server, Chromium() as browser:
            page = await browser.open(server.room, relay)
            await page.wait_for_function("document.querySelector('#audio').currentTime > 1.5")
        _, down = relay.counters()
    assert down.received > 100
    assert 0.1 < down.lost / down.received < 0.4


async def test_a_page_hears_both_sides_and_when() -> None:
    async with WhepServer(ToneTrack()) as server, Chromium() as browser:
        page = await browser.open(server.room)
        await page.wait_for_function("document.querySelector('#audio').currentTime > 1")
        begin = time.time()
        heard = await hear(page, 1.0)
        end = time.time()
    left, right = heard.sides
    assert len(heard.samples) == 48_000
    assert left.hz == pytest.approx(LEFT_HZ, abs=2)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=2)
    assert left.dbfs == pytest.approx(-12, abs=1)
    assert right.dbfs == pytest.approx(-12, abs=1)
    onset = heard.onset()
    assert onset is not None
    assert begin * 1000 - 1 <= heard.wall_ms_of(onset) <= end * 1000

"""A container with published ports and no configuration: `docker compose up` on a LAN, in namespaces.

The client can reach the host's address only, the server knows its private address only: what
connects them is the address that the client used for signaling.
"""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from rtcserver.client.listener import Listener
from tests.one_port.serving import (
    LEFT_HZ,
    PORT,
    RIGHT_HZ,
    TONE_DBFS,
    ServerIn,
    chromium_for,
    press_listen,
    room_at,
)
from tests.rig.chromium import hear
from tests.rig.netns import published
from tests.sdp.offers import small

pytestmark = pytest.mark.unhurried("asserts addresses, counters and tones")


async def test_a_browser_hears_the_container_with_no_configuration() -> None:
    with published(PORT) as network, ServerIn(network.container) as server, network.client.entered():
        async with chromium_for(network.address) as browser:
            page = await browser.open(room_at(network.address))
            await press_listen(page)
            left, right = (await hear(page, 1.0)).sides
            tried = await page.evaluate("rtcserver.session.addresses")
        counted = server.health()["backend"]
    assert tried[0] == f"{network.address}:{PORT}", "the host of the page's address comes first"
    assert f"{network.private}:{PORT}" in tried, "the server knows of no other address of its own"
    assert counted["media_port"] == PORT
    assert counted["connected"] == 1
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)
    assert left.dbfs == pytest.approx(TONE_DBFS, abs=1)
    assert right.dbfs == pytest.approx(TONE_DBFS, abs=1)


@pytest.mark.parametrize("masks_clients", [False, True])
async def test_clients_are_told_apart_behind_the_address_translation(masks_clients: bool) -> None:
    with published(PORT, masks_clients=masks_clients) as network, ServerIn(network.container) as server:
        with network.client.entered():
            async with Listener(room_at(network.address)) as one, Listener(room_at(network.address)) as two:
                assert all(await asyncio.gather(one.hear(1.0), two.hear(1.0)))
                reports = [one.report(1.0), two.report(1.0)]
        counted = server.health()["backend"]
    assert counted["connected"] == 2
    for report in reports:
        assert report.delivery.lost == 0
        assert report.foreign == report.rejected == 0
        assert report.left.hz == pytest.approx(LEFT_HZ, abs=1)
        assert report.right.hz == pytest.approx(RIGHT_HZ, abs=1)


async def test_what_is_offered_follows_the_host_header() -> None:
    """Not the address that the request arrived from, nor one that is remembered from other clients."""
    with published(PORT) as network, ServerIn(network.container), network.client.entered():
        async with aiohttp.ClientSession() as http:

            async def offered(host: str) -> list[str]:
                headers = {"Host": host, "Content-Type": "application/sdp"}
                url = f"{room_at(network.address)}/whep"
                async with http.post(url, data=small(), headers=headers) as response:
                    assert response.status == 201
                    lines = re.findall(
                        r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", await response.text()
                    )
                    return [f"{address}:{port}" for address, port in lines]

            private = f"{network.private}:{PORT}"
            assert await offered(f"{network.address}:{PORT}") == [f"{network.address}:{PORT}", private]
            assert await offered("[fd99::7]:8080") == [f"fd99::7:{PORT}", private]
            assert await offered(f"{network.private}:{PORT}") == [private]
            assert await offered("no-such-name.local") == [private]

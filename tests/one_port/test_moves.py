"""Listeners whose address changes: followed after an authenticated check, with or without an ICE restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page

from tests.one_port.serving import PROBE, press_listen
from tests.rig.chromium import Chromium
from tests.rig.process import wait_until
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for states and counters")


@pytest.fixture
def relay() -> Iterator[UdpRelay]:
    with UdpRelay() as made:
        yield made


@pytest.fixture
def server(relay: UdpRelay) -> Iterator[RtcServer]:
    host, port = relay.address
    with RtcServer(instrument="tone", public_host=host, public_media_port=port) as made:
        relay.route(("127.0.0.1", made.port))
        made.wait_healthy(lambda said: said["status"] == "ok")
        yield made


def only_session(server: RtcServer) -> dict[str, Any]:
    """The session's state and counters, as the room shows them."""
    (session,) = server.get_json("/api/rooms/main")["sessions"]
    return dict(session)


async def nominated(server: RtcServer) -> None:
    """Wait until the client has nominated a pair of its new credentials; until then the old pair serves."""
    await asyncio.to_thread(
        wait_until, lambda: only_session(server)["state"] == "connected", "a pair is nominated"
    )


async def sounding(page: Page, packets: int) -> None:
    """Wait until the probe has so many packets more than now."""
    now = (await page.evaluate("probe.stats()"))["packets"]
    await page.wait_for_function(
        "async (wanted) => (await probe.stats()).packets >= wanted", arg=now + packets, polling=100
    )


async def test_a_page_behind_a_forgetful_nat_goes_on(relay: UdpRelay, server: RtcServer) -> None:
    """Its packets come from another port from one moment to the next; nobody told the page."""
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        await press_listen(page)
        for moves in (1, 2):
            before = await page.evaluate("rtcserver.stats().packetsTotal")
            relay.rebind()
            await page.wait_for_function(
                "(before) => rtcserver.stats()?.packetsTotal > before + 200", arg=before
            )
            assert only_session(server)["counters"]["moves"] == moves
        assert await page.evaluate("[rtcserver.state, rtcserver.session.generation]") == ["live", 1]
    datagrams = server.health()["backend"]["datagrams"]
    assert datagrams["dtls_connected"] == 1


async def test_a_client_restarts_ice_by_patch(relay: UdpRelay, server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        await page.evaluate(PROBE, f"{server.room_url}/whep")
        await sounding(page, 50)
        first = await page.evaluate("probe.stats()")

        said = await page.evaluate("probe.restart()")
        assert said["status"] == 200
        assert said["etags"][0] != said["etags"][1]
        await nominated(server)
        await sounding(page, 100)
        second = await page.evaluate("probe.stats()")

        # And with a move, which is what clients restart for.
        relay.rebind()
        assert (await page.evaluate("probe.restart()"))["status"] == 200
        await nominated(server)
        await sounding(page, 100)
        third = await page.evaluate("probe.stats()")
        session = only_session(server)

    for side in ("localUfrag", "remoteUfrag"):
        assert len({stats[side] for stats in (first, second, third)}) == 3
    assert {stats["inbound"]["ssrc"] for stats in (first, second, third)} == {first["inbound"]["ssrc"]}
    assert session["state"] == "connected"
    assert session["counters"]["ice_restarts"] == 2
    backend = server.health()["backend"]
    assert backend["opened"] == backend["datagrams"]["dtls_connected"] == 1, "the DTLS association stays"

"""Listeners whose address changes: followed after an authenticated check, with or without an ICE restart."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page

from rtcserver.client.listener import Listener
from rtcserver.clock import NS
from rtcserver.transport import aiortc_consent
from tests.one_port.serving import PROBE, press_listen
from tests.rig.chromium import Chromium
from tests.rig.process import wait_until
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for states and counters")

PACKETS_PER_S, SAMPLES = 100, 480
"""Of the default frame of 10 ms."""


@pytest.fixture(scope="module")
def relay() -> Iterator[UdpRelay]:
    with UdpRelay() as made:
        yield made


@pytest.fixture(scope="module")
def server(relay: UdpRelay) -> Iterator[RtcServer]:
    host, port = relay.address
    with RtcServer(instrument="tone", public_host=host, public_media_port=port) as made:
        relay.route(("127.0.0.1", made.port))
        made.wait_healthy(lambda said: said["status"] == "ok")
        yield made


def newest_session(server: RtcServer) -> dict[str, Any]:
    """Its state and counters, as the room shows them. A browser that was ended has left its own behind."""
    *_, session = server.get_json("/api/rooms/main")["sessions"]
    return dict(session)


def counted(server: RtcServer) -> tuple[int, int]:
    """Sessions that were opened, and DTLS associations that were made, so far."""
    backend = server.health()["backend"]
    return backend.get("opened", 0), backend["datagrams"].get("dtls_connected", 0)


async def nominated(server: RtcServer) -> None:
    """Wait until the client has nominated a pair of its new credentials; until then the old pair serves."""
    await asyncio.to_thread(
        wait_until, lambda: newest_session(server)["state"] == "connected", "a pair is nominated"
    )


async def sounding(page: Page, packets: int) -> dict[str, Any]:
    """The probe's statistics once it has so many packets more than now. While a restart is taken in, Chromium has none.

    Playwright's `wait_for_function` takes the promise of an asynchronous predicate for true, so this waits by itself.
    """
    wanted: int | None = None
    async with asyncio.timeout(20):
        while True:
            stats = dict(await page.evaluate("probe.stats()"))
            if "ssrc" in stats["inbound"]:
                wanted = wanted or stats["packets"] + packets
                if stats["packets"] >= wanted:
                    return stats
            await asyncio.sleep(0.1)


async def test_a_page_behind_a_forgetful_nat_goes_on(relay: UdpRelay, server: RtcServer) -> None:
    """Its packets come from another port from one moment to the next; nobody told the page."""
    opened, connected = counted(server)
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        await press_listen(page)
        for moves in (1, 2):
            before = await page.evaluate("rtcserver.stats().packetsTotal")
            relay.rebind()
            await page.wait_for_function(
                "(before) => rtcserver.stats()?.packetsTotal > before + 100", arg=before
            )
            assert newest_session(server)["counters"]["moves"] >= moves
        assert await page.evaluate("[rtcserver.state, rtcserver.session.generation]") == ["live", 1]
        missing = await page.evaluate("rtcserver.stats().lostTotal")
    assert missing <= 2 * 2 * PACKETS_PER_S, "the sound is back within two seconds each time"
    assert counted(server) == (opened + 1, connected + 1)


async def test_a_headless_client_behind_a_forgetful_nat_goes_on(relay: UdpRelay, server: RtcServer) -> None:
    """It has no telemetry and no ICE restart: it checks its pair as soon as packets stay away."""
    opened, connected = counted(server)
    async with Listener(server.room_url) as ear:
        assert await ear.hear(1.0)
        relay.rebind()
        assert await ear.hear(ear.heard_s + 3.0)
        packets = list(ear.packets)
        session = newest_session(server)
    pairs = list(itertools.pairwise(packets))
    assert max(new.arrival_ns - old.arrival_ns for old, new in pairs) <= 2 * NS
    # Numbers and timestamps go on: what was sent to the address that was lost is all that is missing.
    for old, new in pairs:
        steps = (new.sequence - old.sequence) % 65_536
        assert (new.timestamp - old.timestamp) % 2**32 == steps * SAMPLES
        assert steps <= 2 * PACKETS_PER_S
    assert session["counters"]["moves"] == 1
    assert counted(server) == (opened + 1, connected + 1)


async def test_a_client_that_nominates_no_more_is_followed_when_its_old_address_is_dead(
    relay: UdpRelay, server: RtcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only checks for consent, as many stacks do: the server asks the old address, and nobody is there."""
    monkeypatch.setattr(aiortc_consent, "QUIET_S", 3600.0)
    monkeypatch.setattr(aiortc_consent, "INTERVAL_S", 2.0)
    async with Listener(server.room_url) as ear:
        assert await ear.hear(1.0)
        relay.rebind()
        assert await ear.hear(ear.heard_s + 4.5)
        session = newest_session(server)
    datagrams = server.health()["backend"]["datagrams"]
    assert session["counters"]["moves"] == 1
    assert datagrams["stun_left_for_dead"] == 1
    assert max(new.arrival_ns - old.arrival_ns for old, new in itertools.pairwise(ear.packets)) < 5 * NS


async def test_a_client_restarts_ice_by_patch(relay: UdpRelay, server: RtcServer) -> None:
    opened, connected = counted(server)
    async with Chromium() as browser:
        page = await browser.open(server.room_url)
        await page.evaluate(PROBE, f"{server.room_url}/whep")
        first = await sounding(page, 50)

        said = await page.evaluate("probe.restart()")
        assert said["status"] == 200
        assert said["etags"][0] != said["etags"][1]
        await nominated(server)
        second = await sounding(page, 100)

        # And with a move, which is what clients restart for.
        relay.rebind()
        assert (await page.evaluate("probe.restart()"))["status"] == 200
        await nominated(server)
        third = await sounding(page, 100)
        session = newest_session(server)

    for side in ("localUfrag", "remoteUfrag"):
        assert len({stats[side] for stats in (first, second, third)}) == 3
    assert {stats["inbound"]["ssrc"] for stats in (first, second, third)} == {first["inbound"]["ssrc"]}
    assert session["state"] == "connected"
    assert session["counters"]["ice_restarts"] == 2
    assert counted(server) == (opened + 1, connected + 1), "the DTLS association stays"

"""A bad network between the port and Chromium: what is lost is sent again, the rest is put in order.

The server is told to advertise the impairment relay, so `public_host` and `public_media_port` are
tested on the way. The expectations are wide; the exact behaviour is for the benchmarks.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from rtcserver.network.impair import Counters, Impairment
from tests.one_port.serving import PROBE
from tests.rig.chromium import Chromium
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

NETWORKS = {
    "loss": Impairment(loss=0.05),
    "loss, repaired by the next packets": Impairment(loss=0.05),
    "reordering": Impairment(reorder=0.05, reorder_ms=25),
    "duplication": Impairment(duplicate=0.1),
}
WITH_REDUNDANCY = {"loss, repaired by the next packets"}
"""The others are sent again what they ask for, as browsers that know no RED are."""
SETTLING_S, MEASURED_S = 2.0, 6.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one network in about `MEASURED_S`: growths of counters, but for `remote`.

    page: Chromium's inbound-rtp figures. session: the server's of that listener. network: the relay's,
    towards the client. remote: the address that media came from. The three are read one after the other, and on a busy
    machine some 100 ms apart.
    """

    page: dict[str, float]
    session: dict[str, float]
    network: Counters
    remote: str
    relay: str

    @property
    def seconds(self) -> float:
        """What the page's growths took by its own clock."""
        return self.page["timestamp"] / 1000

    @property
    def audible_gap(self) -> float:
        """Share of the played sound that was made up, and not in silence."""
        made_up = self.page["concealedSamples"] - self.page["silentConcealedSamples"]
        return made_up / self.page["totalSamplesReceived"]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """All networks at the same time, as each needs its seconds."""
    with ExitStack() as stack:
        parts = {name: through_relay(stack, redundancy=name in WITH_REDUNDANCY) for name in NETWORKS}

        async def all_of_them() -> list[Outcome]:
            async with Chromium() as browser:
                return await asyncio.gather(
                    *(measure(browser, *parts[name], how) for name, how in NETWORKS.items())
                )

        return dict(zip(NETWORKS, asyncio.run(all_of_them()), strict=True))


def through_relay(stack: ExitStack, *, redundancy: bool) -> tuple[UdpRelay, RtcServer]:
    relay = stack.enter_context(UdpRelay())
    host, port = relay.address
    arguments = () if redundancy else ("--no-redundancy",)
    server = stack.enter_context(
        RtcServer(instrument="tone", public_host=host, public_media_port=port, arguments=arguments)
    )
    relay.route(("127.0.0.1", server.port))
    server.wait_healthy(lambda said: said["status"] == "ok")
    return relay, server


async def measure(browser: Chromium, relay: UdpRelay, server: RtcServer, how: Impairment) -> Outcome:
    page = await browser.open(server.room_url)
    await page.evaluate(PROBE, f"{server.room_url}/whep")
    relay.impair(down=how)
    await asyncio.sleep(SETTLING_S)

    async def read() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        session = (await asyncio.to_thread(server.get_json, "/api/rooms/main"))["sessions"][0]
        return await page.evaluate("probe.stats()"), session["counters"], asdict(relay.counters()[1])

    before = await read()
    await asyncio.sleep(MEASURED_S)
    after = await read()
    return Outcome(
        page=growth(before[0]["inbound"], after[0]["inbound"]),
        session=growth(before[1], after[1]),
        network=Counters(**growth(before[2], after[2])),
        remote=after[0]["remote"],
        relay="{}:{}".format(*relay.address),
    )


def growth(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: value for key, value in after.items() if isinstance(value, int | float)}
    return {key: value - before.get(key, 0) for key, value in numbers.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_media_comes_from_the_advertised_address_in_real_time(
    outcomes: dict[str, Outcome], name: str
) -> None:
    outcome = outcomes[name]
    assert outcome.remote == outcome.relay
    assert outcome.page["totalSamplesReceived"] == pytest.approx(outcome.seconds * 48_000, rel=0.1)
    assert outcome.page["packetsReceived"] == pytest.approx(outcome.seconds * 100, rel=0.1)


def test_lost_packets_are_sent_again(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["loss"]
    share = outcome.network.lost / outcome.network.received
    assert share == pytest.approx(0.05, abs=0.025)
    # The server's figures are a few seconds old at most, so some of the end are missing.
    assert outcome.session["retransmits"] >= outcome.network.lost / 4
    assert outcome.session["retransmits"] <= outcome.session["nacked"]
    # A loss that nobody repairs stays counted as one; of the repairs, 5 % are lost again.
    assert outcome.page["packetsLost"] <= outcome.network.lost / 4
    assert outcome.audible_gap < share / 2


def test_lost_packets_are_in_the_next_ones(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["loss, repaired by the next packets"]
    share = outcome.network.lost / outcome.network.received
    assert share == pytest.approx(0.05, abs=0.025)
    # The loss is counted as one, and yet it is not heard; nothing is sent again.
    assert outcome.page["packetsLost"] == pytest.approx(outcome.seconds * 100 * share, rel=0.5)
    assert outcome.session.get("retransmits", 0) == 0
    assert outcome.audible_gap < share / 5


def test_late_packets_find_their_place(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["reordering"]
    assert outcome.network.reordered > 10
    assert outcome.page["packetsLost"] <= 2
    assert outcome.audible_gap < 0.025


def test_duplicates_are_not_played(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["duplication"]
    assert outcome.network.duplicated > 30
    assert outcome.session.get("retransmits", 0) == 0
    # With the second copies it would be 10 % more.
    assert outcome.page["packetsReceived"] == pytest.approx(outcome.seconds * 100, rel=0.05)
    assert outcome.audible_gap < 0.025

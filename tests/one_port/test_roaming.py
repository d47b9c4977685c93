"""A machine that changes networks, and one whose network is away for ten seconds: the session goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rtcserver.client.returning import ReturningListener
from rtcserver.clock import NS
from tests.one_port.serving import ServerIn, chromium_for, press_listen, room_at
from tests.rig.netns import Namespace, cable

pytestmark = pytest.mark.unhurried(
    "compares stamps and sequence numbers of what is heard, with limits of seconds"
)

ADDRESS = "10.77.0.1"
"""The server's, which lies on neither of the two networks that lead to it."""
PACKETS_PER_S = 100
BACK_S = 2.0
AWAY_S = 10.0


@dataclass(frozen=True, slots=True)
class Roaming:
    """A client with two cables to a server, of which it uses the first."""

    server: ServerIn
    client: Namespace

    def take(self, number: int) -> None:
        """Pull the one cable out and plug the other in."""
        ours, other = f"eth{number}", f"eth{1 - number}"
        self.client.run(
            f"ip link set {other} down",
            f"ip link set {ours} up",
            f"ip route replace default via 192.168.{93 + number}.1",
        )


@pytest.fixture(scope="module")
def roaming() -> Iterator[Roaming]:
    with Namespace("server") as machine, Namespace("client") as client:
        for number in (0, 1):
            cable(machine, f"eth{number}", client, f"eth{number}", f"192.168.{93 + number}.0/24")
        machine.run(f"ip addr add {ADDRESS}/32 dev lo")
        client.run("ip link set eth1 down", "ip route add default via 192.168.93.1")
        with ServerIn(machine) as server:
            yield Roaming(server, client)


async def page_after(page: Any, packets: int) -> dict[str, Any]:
    """The page's statistics once so many packets more have come."""
    before = await page.evaluate("rtcserver.stats().packetsTotal")
    await page.wait_for_function(
        "(wanted) => rtcserver.stats()?.packetsTotal >= wanted", arg=before + packets
    )
    return dict(await page.evaluate("rtcserver.stats()"))


async def test_a_page_goes_from_one_network_to_another_in_the_same_session(roaming: Roaming) -> None:
    """And afterwards, ten seconds without any network, neither for media nor for HTTP, cost no session either."""
    with roaming.client.entered():
        async with chromium_for(ADDRESS) as browser:
            page = await browser.open(room_at(ADDRESS))
            await press_listen(page)
            before = await page_after(page, PACKETS_PER_S)
            roaming.take(1)
            after = await page_after(page, 3 * PACKETS_PER_S)
            (session,) = roaming.server.get_json("/api/rooms/main")["sessions"]
            # By sequence numbers: what was sent to the network that it has left.
            assert after["lostTotal"] - before["lostTotal"] <= BACK_S * PACKETS_PER_S
            assert session["counters"]["moves"] >= 1

            async with ReturningListener(room_at(ADDRESS)) as ears:
                ear = ears.ear
                assert ear is not None
                assert await ear.hear(0.5)
                before = await page_after(page, 1)
                went = time.monotonic()
                roaming.client.run("iptables -A OUTPUT -o eth1 -j DROP", "iptables -A INPUT -i eth1 -j DROP")
                await asyncio.sleep(AWAY_S)
                roaming.client.run("iptables -F")
                came = time.monotonic()
                after = await page_after(page, PACKETS_PER_S)
                assert await ear.hear(ear.heard_s + 1.0)
                heard_ns = next(one.arrival_ns for one in ear.packets if one.arrival_ns > came * NS)
            state = await page.evaluate("[rtcserver.state, rtcserver.session.generation]")
    assert state == ["live", 1]
    assert ears.returns == 0
    assert after["lostTotal"] - before["lostTotal"] <= (came - went + BACK_S) * PACKETS_PER_S
    assert heard_ns / NS - came <= BACK_S

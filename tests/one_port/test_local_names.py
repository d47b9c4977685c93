"""A server that is opened by a ``.local`` name, which the browser's system finds and the server's own does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from tests.one_port.serving import LEFT_HZ, PORT, RIGHT_HZ, ServerIn, chromium_for, press_listen, room_at
from tests.rig.chromium import hear
from tests.rig.netns import Lan, Namespace, cable, published
from tests.sdp.offers import small

pytestmark = pytest.mark.unhurried("asserts addresses and tones")

NAME = "montage.local"
HERE, HERE_6 = "169.254.7.1", "fe80::1"
"""What the server's end of a direct cable has given itself (RFC 3927, RFC 4862)."""


@contextmanager
def direct_cable() -> Iterator[Lan]:
    """Two machines on one cable on which nobody gives addresses, and which leads nowhere else."""
    with Namespace("server") as server, Namespace("client") as client:
        cable(server, "eth0", client, "eth0", "169.254.7.0/24", "fe80::/64")
        yield Lan(server, client, ipv4=HERE, ipv6=HERE_6)


async def test_a_direct_cable_needs_no_configuration() -> None:
    with direct_cable() as network, ServerIn(network.server) as server, network.client.entered():
        async with chromium_for(NAME, hosts={NAME: HERE}) as browser:
            page = await browser.open(room_at(NAME))
            await press_listen(page)
            left, right = (await hear(page, 1.0)).sides
            tried = await page.evaluate("rtcserver.session.addresses")
        connected = server.backend("connected")
    assert tried[0] == f"{HERE}:{PORT}", "the address that the request arrived on"
    assert connected == 1
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)


@pytest.mark.parametrize("by", ["IPv4", "IPv6"])
async def test_what_is_offered_on_a_cable_with_self_assigned_addresses(by: str) -> None:
    """Whoever came by fe80:: is offered the IPv4 address of the same cable: no candidate can name an interface."""
    with direct_cable() as network, ServerIn(network.server), network.client.entered():
        host = HERE if by == "IPv4" else f"{HERE_6}%eth0"
        http = HTTPConnection(host, PORT, timeout=10)
        headers = {"Host": f"{NAME}:{PORT}", "Content-Type": "application/sdp"}
        http.request("POST", "/r/main/whep", small(), headers)
        answer = http.getresponse().read().decode()
        http.close()
    assert re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer) == [(HERE, str(PORT))]


async def test_chromium_finds_a_container_by_the_name_that_opened_the_page() -> None:
    with published(PORT) as network, ServerIn(network.container) as server, network.client.entered():
        async with chromium_for(NAME, hosts={NAME: network.address}) as browser:
            page = await browser.open(room_at(NAME))
            await press_listen(page)
            left, right = (await hear(page, 1.0)).sides
            tried = await page.evaluate("rtcserver.session.addresses")
        connected = server.backend("connected")
    assert tried[:2] == [f"{network.private}:{PORT}", f"{NAME}:{PORT}"], (
        "the server knows of no address outside"
    )
    assert tried[2:] == [f"{network.private}:{PORT} (TCP)"]
    assert connected == 1
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)

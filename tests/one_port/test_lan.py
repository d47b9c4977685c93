"""Two machines on a LAN without translation, by IPv4 and by IPv6."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.one_port.serving import LEFT_HZ, PORT, RIGHT_HZ, ServerIn, chromium_for, press_listen, room_at
from tests.rig.chromium import hear
from tests.rig.netns import Lan, lan

pytestmark = pytest.mark.unhurried("asserts addresses and tones")


@pytest.fixture(scope="module")
def network() -> Iterator[Lan]:
    with lan() as made, ServerIn(made.server):
        yield made


@pytest.mark.parametrize("host", ["192.168.77.1", "[fd77::1]"])
async def test_a_browser_hears_the_room_by_either_family(network: Lan, host: str) -> None:
    """The other family is shut, so that the page cannot have come by it."""
    other = "iptables" if host.startswith("[") else "ip6tables"
    network.client.run(f"{other} -A OUTPUT -p udp -j DROP")
    try:
        with network.client.entered():
            async with chromium_for(host) as browser:
                page = await browser.open(room_at(host))
                await press_listen(page)
                left, right = (await hear(page, 1.0)).sides
                tried = await page.evaluate("rtcserver.session.addresses")
    finally:
        network.client.run(f"{other} -F OUTPUT")
    assert tried[0] == f"{host}:{PORT}"
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)

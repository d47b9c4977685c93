"""No UDP leaves the client: browsers and our own client hear the room by TCP, on the port of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.tcp import TcpPath
from tests.one_port.serving import (
    LEFT_HZ,
    PORT,
    PROBE,
    RIGHT_HZ,
    ServerIn,
    chromium_for,
    press_listen,
    room_at,
)
from tests.rig.chromium import hear
from tests.rig.firefox import Firefox, NullSink
from tests.rig.netns import Lan, lan

pytestmark = pytest.mark.unhurried("asserts addresses, paths and tones")

NO_UDP = ("iptables -A OUTPUT ! -o lo -p udp -j DROP", "ip6tables -A OUTPUT ! -o lo -p udp -j DROP")
JOINS = 3


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Lan, ServerIn]]:
    with lan() as made, ServerIn(made.server) as server:
        made.client.run(*NO_UDP)
        yield made, server


def the_session(server: ServerIn) -> dict[str, Any]:
    """The newest: a browser that was closed said nothing, and its session is not over yet."""
    return dict(server.get_json("/api/rooms/main")["sessions"][-1])


async def test_chromium_hears_each_tone_on_its_side_without_udp(network: tuple[Lan, ServerIn]) -> None:
    made, server = network
    with made.client.entered():
        async with chromium_for(made.ipv4) as browser:
            page = await browser.open(room_at(made.ipv4))
            await press_listen(page)
            left, right = (await hear(page, 1.0)).sides
            await page.wait_for_function("rtcserver.stats()?.path === 'tcp'")
            await page.wait_for_function("document.querySelector('#stat-path').textContent === ' by TCP'")
            shown = await page.evaluate("rtcserver.stats()")
            session = the_session(server)
            counted = server.get_json("/api/rooms/main")["paths"]
            metrics = await page.evaluate("fetch('/metrics').then((response) => response.text())")
            # Channels and their notes go the same way.
            assert session["stats"]["packets"] > 0
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)
    assert shown["lostTotal"] == 0
    assert session["path"] == "tcp"
    assert counted == {"tcp": 1}
    by_path = dict(re.findall(r'rtcserver_listeners_by_path\{path="(\w+)"\} (\S+)', metrics))
    assert by_path == {"udp": "0.0", "tcp": "1.0", "relay": "0.0"}
    assert session["payload"] == "opus", "no earlier frames where nothing is lost"


async def test_firefox_hears_the_room_without_udp(network: tuple[Lan, ServerIn]) -> None:
    made, server = network
    with NullSink() as sink, made.client.entered():
        async with Firefox(sink) as browser:
            page = await browser.open(room_at(made.ipv4))
            await press_listen(page)
            left, right = await page.hear()
            await page.wait_for_function("() => rtcserver.stats()?.path === 'tcp'")
            session = the_session(server)
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)
    assert session["path"] == "tcp"


async def test_a_join_by_tcp_takes_no_longer_than_three_by_udp(network: tuple[Lan, ServerIn]) -> None:
    """In one browser, the shortest of some joins each: the page is not waiting for UDP to fail."""
    made, _ = network
    taken: dict[str, list[float]] = {"tcp": [], "udp": []}
    with made.client.entered():
        async with chromium_for(made.ipv4) as browser:
            page = await browser.open(room_at(made.ipv4))
            for way, times in taken.items():
                if way == "udp":
                    made.client.run("iptables -F OUTPUT", "ip6tables -F OUTPUT")
                for _ in range(JOINS):
                    began = await page.evaluate("performance.now()")
                    await page.evaluate(f"({PROBE})('{room_at(made.ipv4)}/whep')")
                    times.append(await page.evaluate("performance.now()") - began)
                    remote = (await page.evaluate("probe.stats()"))["remote"]
                    assert remote in (f"{made.ipv4}:{PORT}", f"{made.ipv6}:{PORT}")
                    assert await page.evaluate("probe.leave()") == 200
            made.client.run(*NO_UDP)
    print(taken)
    assert min(taken["tcp"]) <= 3 * min(taken["udp"])


async def test_our_own_client_hears_the_room_without_udp(network: tuple[Lan, ServerIn]) -> None:
    made, server = network
    path = TcpPath()
    with made.client.entered():
        async with Listener(room_at(made.ipv4), window_s=1, path=path) as ear:
            assert await ear.hear(1)
            session = the_session(server)
            report = ear.report(1)
        path.close()
    assert report.heard
    assert session["path"] == "tcp"

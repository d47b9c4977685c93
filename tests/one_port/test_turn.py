"""Listeners that reach a TURN server and HTTP, and nothing else: they hear the room through the relay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rtcserver.client import listener
from tests.one_port.serving import (
    LEFT_HZ,
    PORT,
    RIGHT_HZ,
    ServerIn,
    chromium_for,
    press_listen,
    room_at,
)
from tests.rig.chromium import hear
from tests.rig.coturn import SECRET, Coturn, Parted, parted

pytestmark = pytest.mark.unhurried("asserts ways and tones")


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Parted, ServerIn, Coturn]]:
    with ExitStack() as stack:
        made = stack.enter_context(parted(PORT))
        with made.relay.entered():
            turn = stack.enter_context(Coturn(made.lan, made.wan, made.server_address))
        secret = Path(turn.directory / "secret")
        secret.write_text(f"{SECRET}\n")
        yield made, stack.enter_context(server_with(made, secret)), turn


def server_with(network: Parted, secret: Path) -> ServerIn:
    return ServerIn(
        network.server,
        ice_servers=",".join(f"turn:{network.lan}:3478?transport={name}" for name in ("udp", "tcp")),
        turn_secret_file=str(secret),
        trusted_proxies=network.wan,
    )


async def test_the_page_hears_the_room_through_coturn_alone(
    network: tuple[Parted, ServerIn, Coturn],
) -> None:
    """By UDP, and by TCP where the client's network carries no UDP."""
    made, server, turn = network
    heard = []
    with made.client.entered():
        async with chromium_for(made.lan) as browser:
            for ways in (1, 2):
                page = await browser.open(room_at(made.lan))
                await press_listen(page)
                heard.append((await hear(page, 1.0)).sides)
                await page.close()
                assert server.backend("datagrams")["dtls_connected"] == ways
                assert turn.allocations >= ways
                made.client.run("iptables -A OUTPUT -p udp -j DROP")
    made.client.run("iptables -F OUTPUT")
    for left, right in heard:
        assert left.hz == pytest.approx(LEFT_HZ, abs=1)
        assert right.hz == pytest.approx(RIGHT_HZ, abs=1)


async def test_the_headless_client_takes_the_relay_where_there_is_no_other_way(
    network: tuple[Parted, ServerIn, Coturn], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, server, turn = network
    monkeypatch.setattr(listener, "DIRECT_S", 1.0)
    before = turn.allocations
    with made.client.entered():
        async with listener.Listener(room_at(made.lan)) as ear:
            assert await ear.hear(1.0)
            heard = ear.report(1.0)
    assert heard.left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert turn.allocations > before
    assert server.backend("ended_deleted") >= 1, (
        "the session without a way is ended, not left to its deadline"
    )

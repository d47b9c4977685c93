"""Checks for consent of a whole server: the broadcast process answers them, and the server process hears of it."""

from __future__ import annotations

import pytest

from rtcserver.peer.oneport import supervised
from tests.peer.hearing import Listener
from tests.peer.serving import serving
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


async def test_a_listener_keeps_its_consent_by_the_broadcast_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.1)
    async with serving(own_broadcast=supervised) as server:
        endpoint, client = server.endpoint, Listener()
        assert endpoint.port._reads_checks
        session = await client.join(server.backend)
        await until(lambda: len(endpoint.handover) == 1 and not endpoint.port._reads_checks)
        assert session._peer is not None
        agent, read = session._peer.agent, endpoint.counters["udp_received"]
        checks, heard_ns = endpoint.counters["stun_checks"], agent.last_check_ns
        await until(lambda: endpoint.counters["stun_checks"] >= checks + 10)
        assert agent.last_check_ns > heard_ns
        # They came by another way than the few datagrams that were read here meanwhile.
        assert endpoint.counters["udp_received"] - read < 10
        # aioice gives up after six checks without an answer.
        assert client.dtls.state == "connected"
        # Somebody who joins is heard at once, and everything goes on.
        other = Listener()
        await other.join(server.backend)
        await until(lambda: len(endpoint.handover) == 2 and not endpoint.port._reads_checks)
        for one in (client, other):
            await one.close()
        await until(lambda: not len(endpoint.handover) and endpoint.port._reads_checks)

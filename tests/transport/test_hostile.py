"""Every hostile packet beside a bystander, whose stream and channel have no gap."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rtcserver.transport.endpoint import MediaEndpoint
from tests.transport.hostile import Case, Scene, cases
from tests.transport.stock import SSRC, StockClient, outbound_session, running, until


class StockBystander:
    """A stock client that gets numbered RTP packets and echoes over its data channel."""

    def __init__(self) -> None:
        self.client = StockClient()
        self.sent = 0

    async def start(self, endpoint: MediaEndpoint) -> None:
        await self.client.join(endpoint)
        self.client.intercept_rtp()
        self.endpoint = endpoint
        assert self.client.server.keys is not None
        self.session = outbound_session(self.client.server.keys)

    async def beat(self) -> None:
        path = self.client.server.path
        assert path is not None
        for _ in range(3):
            packet = struct.pack("!BBHII", 0x80, 96, self.sent & 0xFFFF, self.sent, SSRC) + bytes(60)
            sock = self.endpoint.send_sockets()[path.socket]
            sock.sendto(self.session.protect(packet), path.remote)
            self.sent += 1
        assert await self.client.echo(str(self.sent)) == str(self.sent)
        await until(lambda: self.client.rtp.qsize() >= 3)
        got = [struct.unpack_from("!I", self.client.rtp.get_nowait(), 4)[0] for _ in range(3)]
        assert got == [self.sent - 3, self.sent - 2, self.sent - 1]
        assert self.client.rtp.empty()
        assert self.client.server.reasons == []
        assert self.client.server.moves == []

    async def finish(self) -> None:
        await self.client.close()


@pytest.fixture(scope="module")
def loopback_for_the_module() -> object:
    """`on_loopback`, for a fixture that lives longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(loopback_for_the_module: object) -> AsyncIterator[Scene]:
    async with running() as endpoint:
        bystander = StockBystander()
        await bystander.start(endpoint)
        yield Scene(endpoint, bystander)
        assert len(endpoint.peers) == 1
        await bystander.finish()


CASES = cases()


def test_there_are_enough_of_each() -> None:
    assert len(CASES) >= 200
    for part in ("stun", "dtls", "sctp", "rtp", "rtcp", "empty", "oversized", "stranger", "replayed", "flip"):
        assert any(part in case.name for case in CASES), part


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.asyncio(loop_scope="module")
async def test_the_bystander_has_no_gap(scene: Scene, case: Case) -> None:
    await scene.run(case)

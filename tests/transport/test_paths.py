"""A stream goes nowhere before the other end has answered there, whoever names the address. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import os
import socket

from OpenSSL import SSL

from rtcserver.transport import stun
from rtcserver.transport.endpoint import MediaEndpoint
from tests.transport.raw import PASSWORD, RawClient, answer_to
from tests.transport.stock import WAIT_S, StockClient, on_loopback, running, until

__all__ = ["on_loopback"]


class Elsewhere:
    """Another address. It sends what a session's owner could send in its name."""

    def __init__(self, endpoint: MediaEndpoint) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.connect(("127.0.0.1", endpoint.port.port))

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 2000), WAIT_S)

    async def check(self, client: RawClient, *, nominate: bool = True) -> bytes:
        """Send the client's check from here; the challenge that comes with its answer."""
        self.sock.send(client.check(nominate=nominate))
        assert stun.parse(await self.receive()).kind == stun.BINDING_SUCCESS
        return await self.receive()

    async def __aenter__(self) -> Elsewhere:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sock.close()


async def connected(endpoint: MediaEndpoint) -> RawClient:
    client = RawClient(endpoint)
    await client.connect()
    return client


async def test_a_peer_is_connected_as_soon_as_dtls_is_done_whether_it_has_nominated_or_not() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint, data=False)
        await client.connect(nominate=False)
        assert client.server.path == client.peer.path
        assert client.server.path is not None
        assert client.server.path.remote[1] == client.socket.getsockname()[1]
        assert endpoint.half_open == 0
        client.send(client.check())
        assert stun.parse(await client.receive()).kind == stun.BINDING_SUCCESS
        assert client.server.moves == []
        client.close()


async def test_a_handshake_that_ends_elsewhere_selects_nothing_before_a_nomination() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint)
        await client.bind(nominate=False)
        async with Elsewhere(endpoint) as victim:
            try:
                client.ssl.do_handshake()
            except SSL.WantReadError:
                client._flush()
            client.ssl.bio_write(await client._receive_dtls())
            victim.sock.send(client.check(nominate=False))
            assert stun.parse(await victim.receive()).kind == stun.BINDING_SUCCESS
            try:
                client.ssl.do_handshake()
            except SSL.WantReadError:
                victim.sock.send(client.ssl.bio_read(4096))
            await until(lambda: client.peer.secure.keys is not None)
            assert client.peer.path is None
            assert not client.server.connected.is_set()
        client.close()


async def test_a_check_alone_moves_nothing() -> None:
    async with running() as endpoint:
        client = await connected(endpoint)
        path = client.peer.path
        async with Elsewhere(endpoint) as victim:
            sent = endpoint.counters["udp_sent"]
            await victim.check(client)
            for _ in range(30):
                victim.sock.send(client.check())
                assert stun.parse(await victim.receive()).kind == stun.BINDING_SUCCESS
            # A reply each, one challenge, and nothing else that somebody could be flooded with.
            assert endpoint.counters["udp_sent"] - sent == 32
            assert client.peer.path == path
            assert client.server.moves == []
            assert endpoint.counters["stun_challenges"] == 1
            # Not after the real path has fallen silent either: DTLS and SRTCP can be forged as well.
            victim.sock.send(client.report())
            await until(lambda: endpoint.counters["rtcp_received"])
            assert client.peer.path == path
        client.close()


async def test_who_answers_gets_the_stream_a_round_trip_later() -> None:
    async with running() as endpoint:
        client = await connected(endpoint)
        async with Elsewhere(endpoint) as new:
            challenge = await new.check(client)
            new.sock.send(answer_to(challenge))
            await until(lambda: client.server.moves)
            assert [move.remote for move in client.server.moves] == [new.sock.getsockname()]
            assert endpoint.counters["stun_proven"] == 1
            # Back again: that path is known.
            for _ in range(2):
                client.send(client.check())
            await until(lambda: len(client.server.moves) == 2)
        client.close()


async def test_only_the_challenged_can_answer() -> None:
    async with running() as endpoint:
        client = await connected(endpoint)
        async with Elsewhere(endpoint) as victim, Elsewhere(endpoint) as third:
            challenge = await victim.check(client)
            await third.check(client)
            wrong = {
                "from another path": (third, answer_to(challenge)),
                "a guess": (victim, stun.build_success(os.urandom(12), ("1.2.3.4", 5), PASSWORD.encode())),
                "without the password": (
                    victim,
                    stun.build_success(stun.parse(challenge).transaction_id, ("1.2.3.4", 5), b"else"),
                ),
            }
            for sender, data in wrong.values():
                refused = endpoint.counters["stun_not_request"] + endpoint.counters["stun_bad_integrity"]
                sender.sock.send(data)
                await until(
                    lambda refused=refused: (
                        endpoint.counters["stun_not_request"] + endpoint.counters["stun_bad_integrity"]
                        > refused
                    )
                )
            assert client.server.moves == []
        client.close()


async def test_a_handshake_whose_flights_went_two_ways_proves_neither() -> None:
    """Somebody shakes hands at their own address and lets the last flight go to a victim's."""
    async with running() as endpoint:
        client = RawClient(endpoint)
        await client.bind()
        async with Elsewhere(endpoint) as victim:
            try:
                client.ssl.do_handshake()
            except SSL.WantReadError:
                client._flush()
            client.ssl.bio_write(await client._receive_dtls())
            # Before there is a stream, a nomination needs no proof.
            for _ in range(2):
                victim.sock.send(client.check())
            assert stun.parse(await victim.receive()).kind == stun.BINDING_SUCCESS
            await until(lambda: client.peer.path and client.peer.path.remote == victim.sock.getsockname())
            try:
                client.ssl.do_handshake()
            except SSL.WantReadError:
                client._flush()
            await until(lambda: client.peer.secure.keys is not None)
            assert not client.server.connected.is_set()
            while not endpoint.counters["stun_proven"]:
                data = await victim.receive()
                if data[0] < 4 and stun.parse(data).kind == stun.BINDING_REQUEST:
                    victim.sock.send(answer_to(data))
                    await until(lambda: endpoint.counters["stun_proven"])
            await client.server.until_connected()
            assert client.server.path is not None
            assert client.server.path.remote == victim.sock.getsockname()
        client.close()


async def test_real_agents_answer(on_loopback: None) -> None:
    """aioice, as an RTCPeerConnection has it, on the path that it uses already."""
    async with running() as endpoint:
        client = StockClient()
        peer = await client.join(endpoint)
        assert peer.path is not None
        endpoint.send(endpoint.registry.challenge(peer.agent, peer.path), peer.path)
        await until(lambda: endpoint.counters["stun_proven"])
        await client.close()

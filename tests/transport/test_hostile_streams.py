"""What hostile and silent TCP connections get from an endpoint in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import pytest

from rtcserver.clock import NS, monotonic_ns
from rtcserver.transport import streams, stun
from rtcserver.transport.address import Path
from rtcserver.transport.budget import CHECKS, FLOOD_PER_S
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from rtcserver.transport.framing import MAX_FRAME, framed
from rtcserver.transport.streams import IDLE_NS, PAUSE_NS, UNBOUND_NS, UNBOUND_PACKETS, StreamPort
from tests.transport.hostile import HELLO, RECORD, RTP
from tests.transport.raw import RawClient
from tests.transport.stock import WAIT_S, running, until
from tests.transport.stream import StreamClient, path_of, tcp_pair


class Few:
    """A door with two places, one a client."""

    def client(self, address: str) -> str:
        return address.rpartition(".")[2]

    def admits(self, present: int, present_there: int, address: str) -> bool:
        return present < 2 and present_there < 1


class Nowhere:
    """A user of streams for whom nothing is ever bound."""

    def receive(self, data: bytes, path: Path, now_ns: int) -> None:
        """Drop it."""

    def standing(self, path: Path) -> streams.Standing:
        return streams.Standing.UNBOUND

    def lost(self, path: Path) -> None:
        """It was nobody's."""


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait until the server has closed a connection on which it says nothing; what it had not read makes that a reset."""
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
    return True


async def strange(endpoint: MediaEndpoint, counter: str, data: bytes) -> None:
    """A connection that sends this is closed at once, and counted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.tcp_port)
    writer.write(data)
    assert await closed(reader)
    assert endpoint.counters[f"tcp_{counter}"] == 1
    writer.close()


@pytest.mark.parametrize(
    ("counter", "data"),
    [
        ("garbage", framed(HELLO)),
        ("garbage", framed(RECORD)),
        ("garbage", framed(RTP)),
        ("garbage", framed(b"")),
        ("garbage", framed(b"hello?")),
        ("garbage", framed(b"\x40" * MAX_FRAME)),
        ("overlong", (MAX_FRAME + 1).to_bytes(2) + bytes(100)),
        ("overlong", b"\xff" * 4000),
        ("overlong", b"GET / HTTP/1.1\r\n\r\n"),
        ("strange", framed(stun.build_request(bytes(12), b"no:body", b"key")) * (UNBOUND_PACKETS + 1)),
        ("strange", framed(b"\0") * (UNBOUND_PACKETS + 1)),
    ],
)
async def test_who_is_nobodys_and_says_what_they_should_not_is_closed(counter: str, data: bytes) -> None:
    async with running(tcp=True) as endpoint:
        client = RawClient(endpoint)
        await client.connect()
        await strange(endpoint, counter, data)
        assert len(endpoint.streams) == 0
        client.send(client.report())
        await until(lambda: client.server.rtcp)
        client.close()


async def test_an_overlong_packet_ends_the_stream_of_a_listener_and_nothing_else() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint, data=False)
        await client.connect()
        client.raw(b"\x06\x00")
        assert await client.ended()
        assert endpoint.counters["tcp_overlong"] == 1
        assert not client.server.reasons
        client.dial()
        client.send(client.check())
        await client.receive()
        assert client.peer.path is not None


async def test_silent_connections_are_closed_in_time_and_bound_ones_stay() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint, data=False)
        await client.connect()
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.tcp_port)
        writer.write(framed(client.check())[:-1])
        await until(lambda: len(endpoint.streams) == 2)
        now = monotonic_ns()
        endpoint.streams.tick(now + UNBOUND_NS - NS)
        assert len(endpoint.streams) == 2
        endpoint.streams.tick(now + UNBOUND_NS + NS)
        assert await closed(reader)
        assert endpoint.counters["tcp_unbound"] == 1
        writer.close()
        endpoint.streams.tick(now + 100 * IDLE_NS)
        assert len(endpoint.streams) == 1, "how long a listener may be silent is for the peer to say"
        client.close()


async def test_a_connection_that_is_not_used_is_closed_when_it_is_silent() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint, data=False)
        await client.connect()
        used = client.dial(keep=True)
        await client.bind(nominate=False)
        now = monotonic_ns()
        endpoint.streams.tick(now + IDLE_NS - NS)
        assert len(endpoint.streams) == 2
        endpoint.streams.tick(now + IDLE_NS + NS)
        assert len(endpoint.streams) == 1
        assert endpoint.counters["tcp_idle"] == 1
        assert client.peer.path == client.server.path
        used.close()
        client.close()


async def test_connections_are_bounded_in_all_and_by_client() -> None:
    endpoint = MediaEndpoint(EndpointConfig(host="127.0.0.1", tcp=True), Few())
    await endpoint.start()
    opened = []
    for source, refused in (("127.0.0.1", 0), ("127.0.0.1", 1), ("127.0.0.2", 1), ("127.0.0.3", 2)):
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.tcp_port, local_addr=(source, 0))
        opened.append(writer)
        if refused > endpoint.counters["tcp_refused"]:
            assert await closed(reader)
        else:
            await until(lambda: len(endpoint.streams) + endpoint.counters["tcp_refused"] == len(opened))
        assert endpoint.counters["tcp_refused"] == refused
    for writer in opened:
        writer.close()
    await until(lambda: len(endpoint.streams) == 0)
    assert not endpoint.streams._by_client
    endpoint.close()


async def test_the_oldest_of_whoever_has_most_gives_way_to_newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_UNBOUND", 4)
    async with running(tcp=True) as endpoint:
        ends = []
        for source in ("127.0.0.2", "127.0.0.3", "127.0.0.3", "127.0.0.3", "127.0.0.4"):
            ends.append(await asyncio.open_connection("127.0.0.1", endpoint.tcp_port, local_addr=(source, 0)))
            await until(lambda: endpoint.counters["tcp_accepted"] == len(ends))
        assert endpoint.counters["tcp_evicted"] == 1
        assert await closed(ends[1][0])
        assert len(endpoint.streams) == 4
        for _, writer in ends:
            writer.close()


async def test_a_flood_of_one_peer_is_not_read_and_then_read_again() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint, data=False)
        await client.connect()
        path = path_of(endpoint, client)
        client.socket.setblocking(True)
        flood = framed(client.check()) * (CHECKS.burst + FLOOD_PER_S + 100)
        await asyncio.to_thread(client.raw, flood)
        await until(lambda: endpoint.counters["tcp_paused"] == 1)
        received = endpoint.counters["tcp_received"]
        await asyncio.sleep(0.05)
        assert endpoint.counters["tcp_received"] == received
        endpoint.streams.tick(monotonic_ns() + 2 * PAUSE_NS)
        client.socket.setblocking(False)
        await until(lambda: endpoint.counters["tcp_received"] > received)
        assert client.peer.path == path
        client.close()


async def test_a_peer_that_never_reads_costs_a_bounded_number_of_bytes() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        client.send(client.check())
        await client.receive()
        path = next(iter(client.peer.agent.bound))
        other = RawClient(endpoint)
        await other.connect()
        sent = 0
        while endpoint.send(bytes(1200), path):
            sent += 1200
            assert sent < 20_000_000
        assert endpoint.counters["tcp_send_full"] == 1
        assert endpoint.streams._streams[path.stream].writer.waiting < 20_000
        other.send(other.report())
        await until(lambda: other.server.rtcp)
        other.close()
        client.close()


async def test_a_connection_that_is_gone_when_it_is_adopted_is_let_go() -> None:
    counters: Counter[str] = Counter()
    port = StreamPort(Nowhere(), counters)
    ours, theirs = tcp_pair()
    ours.close()
    port.adopt(ours)
    assert counters == {"tcp_lost": 1}
    ours, theirs = tcp_pair()
    port.adopt(ours, framed(HELLO))
    assert counters["tcp_garbage"] == 1
    assert theirs.recv(1) == b""
    port.close()

"""Media by TCP on an endpoint in this process: joins, moves, and what hostile connections get."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter

import pytest

from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import ConfigError
from rtcserver.transport import streams, stun
from rtcserver.transport.address import Path
from rtcserver.transport.budget import CHECKS, FLOOD_PER_S
from rtcserver.transport.candidates import Arrival
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from rtcserver.transport.framing import MAX_FRAME, framed
from rtcserver.transport.streams import IDLE_NS, PAUSE_NS, UNBOUND_NS, UNBOUND_PACKETS, StreamPort
from rtcserver.transport.tcp import open_listening
from tests.transport.hostile import HELLO, RECORD, RTP
from tests.transport.raw import RawClient, answer_to
from tests.transport.stock import WAIT_S, running, until
from tests.transport.stream import StreamClient, tcp_pair


class Taker:
    """Another process that writes streams: what it is told is kept."""

    def __init__(self) -> None:
        self.added: dict[int, tuple[socket.socket, bytes, int]] = {}
        self.packets: list[tuple[int, bytes]] = []
        self.removed: list[int] = []

    def add_stream(self, number: int, sock: socket.socket, rest: bytes, unsent_bytes: int) -> None:
        self.added[number] = (sock.dup(), rest, unsent_bytes)

    def send_stream(self, number: int, packet: bytes) -> None:
        self.packets.append((number, packet))

    def remove_stream(self, number: int) -> None:
        self.removed.append(number)


class Few:
    """A door with two places, one a client."""

    def client(self, address: str) -> str:
        return address.rpartition(".")[2]

    def admits(self, present: int, present_there: int, address: str) -> bool:
        return present < 2 and present_there < 1


def path_of(endpoint: MediaEndpoint, client: StreamClient) -> Path:
    assert client.server.path is not None
    return client.server.path


async def test_a_client_without_udp_joins_by_tcp() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        await client.connect()
        path = path_of(endpoint, client)
        assert (path.source, path.remote) == ("127.0.0.1", client.socket.getsockname())
        assert path.stream == 1
        await client.associate()
        client.send(client.report())
        await until(lambda: client.server.rtcp)
        assert endpoint.counters["stun_challenges"] == 0, "a TCP connection proves its address"
        client.close()
        await until(lambda: len(endpoint.streams) == 0)
        assert client.peer.path is None


async def test_the_reply_names_the_address_that_the_connection_comes_from() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        client.send(client.check())
        reply = stun.parse(await client.receive())
        assert reply.kind == stun.BINDING_SUCCESS
        client.close()


async def test_candidates_offer_udp_first_and_tcp_where_it_comes_in() -> None:
    arrival = Arrival("127.0.0.1", "", "127.0.0.1")
    async with running(tcp=True) as endpoint:
        udp, tcp = await endpoint.candidates(arrival)
        assert (udp.tcp, tcp.tcp) == (False, True)
        assert udp.priority > tcp.priority
        assert (
            tcp.line
            == f"candidate:13 1 tcp {tcp.priority} 127.0.0.1 {endpoint.port.port} typ host tcptype passive"
        )
    async with running(tcp=False) as endpoint:
        assert [each.tcp for each in await endpoint.candidates(arrival)] == [False]
        assert endpoint.tcp_port == 0
    async with running(tcp=True, public_hosts=("192.0.2.1",), public_media_port=9) as endpoint:
        assert [each.port for each in await endpoint.candidates(arrival)] == [9, 9, 9, 9]
    async with running(tcp=True, public_media_port=9, public_tcp_port=443) as endpoint:
        assert [each.port for each in await endpoint.candidates(arrival)] == [9, 443]


async def test_the_port_of_http_is_shared_and_another_one_opened() -> None:
    with socket.socket() as http:
        http.bind(("127.0.0.1", 0))
        number = http.getsockname()[1]
        for config in ({"tcp_port": number}, {"port": number}):
            endpoint = MediaEndpoint(EndpointConfig(**{"host": "127.0.0.1", "tcp": True, **config}))
            await endpoint.start(http_port=number)
            assert endpoint.tcp_port == number
            endpoint.close()


async def test_a_tcp_port_that_is_taken_is_an_error_only_where_it_was_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"media_tcp_port = {number}"):
            open_listening("127.0.0.1", number, wanted=True)
        assert open_listening("127.0.0.1", number, wanted=False) == []
        assert "no media over TCP" in caplog.text


async def test_after_its_stream_is_lost_a_client_goes_on_by_another() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        await client.connect()
        first = path_of(endpoint, client)
        client.dial()
        await until(lambda: client.peer.path is None)
        await client.bind()
        (second,) = client.server.moves
        assert second.stream > first.stream
        assert client.peer.path == second
        assert not client.server.reasons


async def test_who_is_on_tcp_moves_to_udp_as_soon_as_it_is_nominated() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        await client.connect()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(client.target)
            udp.setblocking(False)
            loop = asyncio.get_running_loop()
            while not client.server.moves:
                udp.send(client.check())
                data = await asyncio.wait_for(loop.sock_recv(udp, 2000), WAIT_S)
                if stun.parse(data).kind == stun.BINDING_REQUEST:
                    udp.send(answer_to(data))
                await asyncio.sleep(0.01)
            assert client.server.moves[-1].stream == 0
        client.close()


async def test_when_a_stream_is_handed_over_this_process_writes_no_more() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint, data=False)
        await client.connect()
        path = path_of(endpoint, client)
        taker = Taker()
        assert endpoint.streams.hand_over(path, taker, 4096)
        assert endpoint.streams.hand_over(path, taker, 4096), "once is enough"
        sock, rest, unsent_bytes = taker.added[path.stream]
        assert (rest, unsent_bytes) == (b"", 4096)
        client.send(client.check())
        await until(lambda: taker.packets)
        number, packet = taker.packets[0]
        assert number == path.stream
        assert stun.parse(packet).kind == stun.BINDING_SUCCESS
        sock.send(framed(b"by the taker"))
        assert await client.receive() == b"by the taker"
        # close_notify is the taker's to write, too, before it is told to close.
        client.peer.close()
        await until(lambda: taker.removed == [path.stream])
        assert taker.packets[-1][1][0] == 21, "a DTLS alert"
        sock.close()
        assert await client.ended()


async def test_what_was_not_written_yet_is_handed_over_with_it() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        client.send(client.check())
        await client.receive()
        path = next(iter(client.peer.agent.bound))
        sent = []
        while len(sent) < 5 or not endpoint.streams._streams[path.stream].writer.waiting:
            packet = len(sent).to_bytes(4) + bytes(1400)
            assert endpoint.send(packet, path)
            sent.append(packet)
        taker = Taker()
        endpoint.streams.hand_over(path, taker, 4096)
        sock, rest, _ = taker.added[path.stream]
        assert rest
        sock.setblocking(True)
        writing = asyncio.to_thread(sock.sendall, rest + framed(b"after"))
        found = [asyncio.ensure_future(writing)]
        assert [(await client.receive())[:4] for _ in sent] == [packet[:4] for packet in sent]
        assert await client.receive() == b"after"
        await found[0]
        sock.close()
        client.close()


# What hostile connections get


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


async def test_a_peer_that_ends_takes_all_its_connections_along() -> None:
    async with running(tcp=True) as endpoint:
        client = StreamClient(endpoint)
        client.send(client.check())
        await client.receive()
        first = client.dial(keep=True)
        client.send(client.check())
        await client.receive()
        assert len(endpoint.streams) == 2
        client.peer.close()
        assert len(endpoint.streams) == 0
        first.settimeout(WAIT_S)
        assert first.recv(2000) == b""
        first.close()
        client.close()


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


class Nowhere:
    """A user of streams for whom nothing is ever bound."""

    def receive(self, data: bytes, path: Path, now_ns: int) -> None:
        """Drop it."""

    def standing(self, path: Path) -> streams.Standing:
        return streams.Standing.UNBOUND

    def lost(self, path: Path) -> None:
        """It was nobody's."""


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

"""Media by TCP on an endpoint in this process: joins, moves, and streams that another process takes over."""

from __future__ import annotations

import asyncio
import socket

import pytest

from rtcserver.errors import ConfigError
from rtcserver.transport import stun
from rtcserver.transport.candidates import Arrival
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from rtcserver.transport.framing import framed
from rtcserver.transport.tcp import open_listening
from tests.transport.raw import answer_to
from tests.transport.stock import WAIT_S, running, until
from tests.transport.stream import StreamClient, path_of


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

"""The relay carries out what `impair` decides, between real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from rtcserver.network.impair import Impairment, Path
from tests.rig.relay import UdpRelay

pytestmark = pytest.mark.unhurried("asserts which datagrams come, not when")

RTP = b"\x80\x6f"
"""Makes a datagram count as media: version 2, payload type 111."""


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(5)
    return made


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with udp() as made:
        yield made


def numbers(receiver: socket.socket, count: int) -> list[int]:
    return [int.from_bytes(receiver.recv(2000)[2:6], "big") for _ in range(count)]


def send(sender: socket.socket, to: tuple[str, int], count: int) -> None:
    for number in range(count):
        sender.sendto(RTP + number.to_bytes(4, "big"), to)


def test_clients_are_told_apart_and_answered(upstream: socket.socket) -> None:
    with UdpRelay(upstream.getsockname()) as relay, udp() as one, udp() as two:
        for client, word in ((one, b"one"), (two, b"two")):
            client.sendto(word, relay.address)
        seen = dict(upstream.recvfrom(2000) for _ in range(2))
        assert len(set(seen.values())) == 2
        for word, source in seen.items():
            upstream.sendto(word + b" too", source)
        assert (one.recv(2000), two.recv(2000)) == (b"one too", b"two too")
        assert relay.clients() == 2


def test_both_directions_lose_exactly_what_the_seed_says(upstream: socket.socket) -> None:
    how, count = Impairment(loss=0.3), 200
    with UdpRelay(upstream.getsockname(), up=how, down=how, seed=5) as relay, udp() as client:
        send(client, relay.address, count)
        expected = [n for n in range(count) if Path(how, "5/0/up").decide(n, 0, 6)]
        assert numbers(upstream, len(expected)) == expected
        client.sendto(b"\x00 where", relay.address)  # STUN's range: never lost
        _, source = upstream.recvfrom(2000)
        send(upstream, source, count)
        expected_down = [n for n in range(count) if Path(how, "5/0/down").decide(n, 0, 6)]
        assert numbers(client, len(expected_down)) == expected_down
        up, down = relay.counters()
    assert expected != expected_down
    assert (up.received, up.lost, up.spared) == (count, count - len(expected), 1)
    assert (down.received, down.lost) == (count, count - len(expected_down))


def test_impairments_change_while_it_runs(upstream: socket.socket) -> None:
    with UdpRelay(upstream.getsockname(), up=Impairment(loss=1)) as relay, udp() as client:
        send(client, relay.address, 10)
        while relay.counters()[0].received < 10:
            time.sleep(0.005)
        relay.impair(up=Impairment(duplicate=1, duplicate_ms=1))
        client.sendto(RTP + (99).to_bytes(4, "big"), relay.address)
        assert numbers(upstream, 2) == [99, 99]
        assert relay.counters()[0].lost == 10


@pytest.mark.realtime
def test_a_delay_is_not_undercut_and_reordering_happens(upstream: socket.socket) -> None:
    how = Impairment(delay_ms=30, reorder=0.5, reorder_ms=20)
    with UdpRelay(upstream.getsockname(), up=how, seed=2) as relay, udp() as client:
        sent = time.monotonic_ns()
        send(client, relay.address, 20)
        held_back = [n for n in range(20) if len(set(Path(how, "2/0/up").decide(n, 0, 6)) - {30_000_000})]
        arrived = numbers(upstream, 20)
        assert time.monotonic_ns() - sent >= 50_000_000
    assert arrived[20 - len(held_back) :] == held_back


def test_a_client_gets_another_source_port(upstream: socket.socket) -> None:
    with UdpRelay(upstream.getsockname()) as relay, udp() as client:
        client.sendto(RTP + b"before", relay.address)
        _, first = upstream.recvfrom(2000)
        relay.rebind()
        upstream.sendto(RTP + b"lost", first)
        client.sendto(RTP + b"after", relay.address)
        _, second = upstream.recvfrom(2000)
        upstream.sendto(RTP + b"back", second)
        assert client.recv(2000) == RTP + b"back"
        assert relay.clients() == 1
    assert first != second


def test_a_route_can_come_later(upstream: socket.socket) -> None:
    with UdpRelay() as relay, udp() as client:
        client.sendto(RTP + b"lost", relay.address)
        relay.route(upstream.getsockname())
        client.sendto(RTP + (7).to_bytes(4, "big"), relay.address)
        while (first := upstream.recv(2000)) == RTP + b"lost":
            pass
        assert first == RTP + (7).to_bytes(4, "big")

"""The port's sockets: replies leave from the address that was addressed; what is dropped is counted."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from rtcserver.clock import monotonic_ns
from rtcserver.errors import ConfigError
from rtcserver.transport.address import Path
from rtcserver.transport.udp import BATCH, MAX_DATAGRAM, UdpPort, open_sockets
from tests.transport.stock import until


class Echo:
    """A port that sends everything back and remembers the paths."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.port = UdpPort(open_sockets("", 0), self.counters)
        self.seen: list[tuple[bytes, Path]] = []
        self.port.start(self.take)

    def take(self, data: bytes, path: Path, now_ns: int) -> None:
        assert now_ns > 0
        self.seen.append((data, path))
        self.port.send(data, path)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    made = Echo()
    yield made
    made.port.close()


async def ask(host: str, port: int, data: bytes, source: str = "") -> tuple[bytes, str]:
    """Send from an unconnected socket and return the reply and where it came from."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((source, 0))
        await loop.sock_sendto(sock, data, (host, port))
        reply, address = await asyncio.wait_for(loop.sock_recvfrom(sock, 2048), 5)
    return reply, address[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.8.9.10", "::1"])
async def test_a_reply_leaves_from_the_address_that_was_addressed(echo: Echo, host: str) -> None:
    assert await ask(host, echo.port.port, b"hello") == (b"hello", host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    assert echo.seen[0][1].local == socket.inet_pton(family, host)


async def test_both_families_share_the_number(echo: Echo) -> None:
    assert len(echo.port.sockets) == 2
    assert {s.getsockname()[1] for s in echo.port.sockets} == {echo.port.port}


async def test_empty_and_oversized_datagrams_are_counted_and_dropped(echo: Echo) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in (b"", bytes(MAX_DATAGRAM + 1), bytes(60000), bytes(MAX_DATAGRAM)):
            sock.sendto(data, ("127.0.0.1", echo.port.port))
        await ask("127.0.0.1", echo.port.port, b"last")
    assert [len(data) for data, _ in echo.seen] == [MAX_DATAGRAM, 4]
    assert echo.counters["udp_empty"] == 1
    assert echo.counters["udp_oversized"] == 2
    assert echo.counters["udp_received"] == 5


async def test_a_destination_that_the_kernel_refuses_is_counted(echo: Echo) -> None:
    nowhere = Path(0, b"\x7f\x00\x00\x01", 0, ("255.255.255.255", 9))
    assert not echo.port.send(b"x", nowhere)
    foreign_source = Path(0, b"\xc0\x00\x02\x01", 0, ("127.0.0.1", 9))
    assert not echo.port.send(b"x", foreign_source)
    assert echo.counters["udp_send_errors"] == 2


async def test_a_flood_is_read_in_bounded_batches(echo: Echo) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for n in range(500):
            sock.sendto(n.to_bytes(2, "big"), ("127.0.0.1", echo.port.port))
        largest = before = 0
        while len(echo.seen) < 500:
            await asyncio.sleep(0)
            largest, before = max(largest, len(echo.seen) - before), len(echo.seen)
    assert largest <= 128
    assert [int.from_bytes(data, "big") for data, _ in echo.seen] == list(range(500))


async def test_a_taken_port_is_named_with_the_command_that_finds_its_owner(echo: Echo) -> None:
    number = echo.port.port
    with pytest.raises(ConfigError, match=rf"media_port = {number}.*ss -ulpn 'sport = :{number}'"):
        open_sockets("", number)


def test_a_foreign_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="cannot bind"):
        open_sockets("192.0.2.1", 0)


def test_one_address_only() -> None:
    sockets = open_sockets("127.0.0.3", 0)
    try:
        assert [s.getsockname()[0] for s in sockets] == ["127.0.0.3"]
    finally:
        for sock in sockets:
            sock.close()


async def test_close_is_idempotent(echo: Echo) -> None:
    echo.port.close()
    echo.port.close()


async def test_what_lies_unread_in_a_socket_counts_as_not_heard(echo: Echo) -> None:
    before = monotonic_ns()
    assert echo.port.heard_until(before) == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(2 * BATCH):
            sock.sendto(bytes([number]), ("127.0.0.1", echo.port.port))
    # One turn of the loop reads one batch.
    turns = 0
    while not echo.seen:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 1000
    assert len(echo.seen) <= BATCH
    assert echo.port.heard_until(monotonic_ns()) <= before
    await until(lambda: len(echo.seen) == 2 * BATCH)
    later = monotonic_ns()
    # Whether the last batch met the end of the queue or not: there is nothing left.
    assert echo.port.heard_until(later) == later

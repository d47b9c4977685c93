"""The kernel gives checks to one socket of the port and all else to the other, and no third one to anybody."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from rtcserver.errors import ConfigError
from rtcserver.transport.address import Path
from rtcserver.transport.check_socket import open_check_socket
from rtcserver.transport.gate import Gate
from rtcserver.transport.udp import UdpPort, open_sockets
from tests.transport.stock import running, until

CHECKS = [b"\0\x01 a request", b"\0\x01"]
OTHERS = [b"\x01\x01 a response", b"\0\x11 an indication", b"\x16 DTLS", b"\x80\xc9 RTCP", b"\0", b""]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    (port,) = open_sockets("127.0.0.1", 0)
    checks = open_check_socket(port)
    assert checks is not None
    with port, checks:
        yield port, checks


def read(sock: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(sock.recv(2000))
        except BlockingIOError:
            return found


def test_checks_and_nothing_else_come_by_the_second_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    port, checks = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for data in (*CHECKS, *OTHERS):
            client.sendto(data, port.getsockname())
    assert read(checks) == CHECKS
    assert read(port) == OTHERS


def test_a_second_server_on_the_port_is_an_error_as_ever(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(ConfigError, match="taken"):
        open_sockets("127.0.0.1", pair[0].getsockname()[1])


def test_ipv6_has_none() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        assert open_check_socket(sock) is None


def test_what_is_shut_out_is_shut_out_of_both(pair: tuple[socket.socket, socket.socket]) -> None:
    port, checks = pair
    counters: Counter[str] = Counter()
    gate = Gate([port], counters, checks)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loud:
        loud.bind(("127.0.0.1", 0))
        assert gate.shut(Path(0, b"", 0, loud.getsockname()), 0, stun_passes=False)
        for data in (CHECKS[0], OTHERS[0]):
            loud.sendto(data, port.getsockname())
        assert read(port) + read(checks) == []
        gate.tick(10**10)
        assert counters["gate_dropped"] == 2
        loud.sendto(CHECKS[0], port.getsockname())
        assert read(checks) == CHECKS[:1]


async def test_the_port_reads_checks_or_leaves_them(pair: tuple[socket.socket, socket.socket]) -> None:
    sock, checks = pair
    seen: list[tuple[bytes, Path]] = []
    port = UdpPort([sock], Counter(), checks)
    port.start(lambda data, path, now_ns: seen.append((data, path)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        for data in (CHECKS[0], OTHERS[0]):
            client.sendto(data, sock.getsockname())
        await until(lambda: len(seen) == 2)
        # One path, whichever socket it was.
        assert {path for _, path in seen} == {Path(0, b"\x7f\0\0\x01", 0, client.getsockname())}
        port.read_checks(False)
        for data in (CHECKS[1], OTHERS[1]):
            client.sendto(data, sock.getsockname())
        await until(lambda: len(seen) == 3)
        await asyncio.sleep(0)
        assert seen[2][0] == OTHERS[1]
        assert read(checks) == [CHECKS[1]]
        port.read_checks(True)
        client.sendto(CHECKS[0], sock.getsockname())
        await until(lambda: len(seen) == 4)
    port.close()
    assert checks.fileno() == -1


async def test_a_reader_that_has_more_checks_than_it_takes_leaves_them_to_us_and_that_is_counted() -> None:
    async with running() as endpoint:
        endpoint.port.read_checks(False)
        endpoint.overflowed()
        assert endpoint.port._reads_checks
        assert endpoint.counters["checks_overflowed"] == 1

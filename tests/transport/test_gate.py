"""Sources that the kernel drops, on real sockets of loopback."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from rtcserver.transport.address import Path
from rtcserver.transport.gate import MAX_SHUT, SHUT_NS, Gate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the gate is Linux's")
HOSTS = ("127.0.0.1", "::1")


def bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind((host, 0))
    except OSError:
        sock.close()
        pytest.skip(f"no {host} here")
    return sock


class Port:
    """A socket with a gate, and two clients of it."""

    def __init__(self, host: str) -> None:
        self.sock, self.loud, self.quiet = bound(host), bound(host), bound(host)
        self.counters: Counter[str] = Counter()
        self.gate = Gate([self.sock], self.counters)
        self.path = Path(0, b"", 0, self.loud.getsockname())

    def read(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.sock.recv(2000))
            except BlockingIOError:
                return found

    def send(self, *datagrams: bytes) -> list[bytes]:
        """Have both send the same; what arrives, the loud one's in capitals."""
        for data in datagrams:
            self.loud.sendto(data.upper(), self.sock.getsockname())
            self.quiet.sendto(data, self.sock.getsockname())
        return self.read()

    def close(self) -> None:
        for sock in (self.sock, self.loud, self.quiet):
            sock.close()


@pytest.fixture(params=HOSTS)
def port(request: pytest.FixtureRequest) -> Iterator[Port]:
    made = Port(request.param)
    yield made
    made.close()


def test_one_source_is_dropped_and_nobody_else(port: Port) -> None:
    assert port.send(b"x") == [b"X", b"x"]
    assert port.gate.shut(port.path, 0, stun_passes=False)
    assert port.send(b"x", b"y", b"\x00z") == [b"x", b"y", b"\x00z"]
    port.gate.tick(SHUT_NS - 1)
    assert port.send(b"x") == [b"x"]
    port.gate.tick(SHUT_NS)
    assert port.send(b"x") == [b"X", b"x"]
    assert port.counters == {"gate_shut": 1, "gate_dropped": 4}


def test_stun_may_pass(port: Port) -> None:
    assert port.gate.shut(port.path, 0, stun_passes=True)
    assert port.send(b"\x00a", b"\x03b", b"\x04c", b"\x16d", b"") == [
        b"\x00A",
        b"\x00a",
        b"\x03B",
        b"\x03b",
        b"\x04c",
        b"\x16d",
        b"",
    ]
    # Its checks are too many as well.
    assert port.gate.shut(port.path, 0, stun_passes=False)
    assert port.send(b"\x00a") == [b"\x00a"]
    # It stays so for the time, whatever else it sends.
    assert port.gate.shut(port.path, 0, stun_passes=True)
    assert port.send(b"\x00a") == [b"\x00a"]


def test_many_sources_at_a_time(port: Port) -> None:
    host = port.sock.getsockname()[0]
    others = [Path(0, b"", 0, (host, 40_000 + n)) for n in range(MAX_SHUT - 1)]
    for path in others:
        assert port.gate.shut(path, 0, stun_passes=True)
    assert port.gate.shut(port.path, 0, stun_passes=True)
    assert port.send(b"x") == [b"x"]
    assert not port.gate.shut(Path(0, b"", 0, (host, 50_000)), 0, stun_passes=True), "one too many"
    port.gate.tick(SHUT_NS)
    assert port.send(b"x") == [b"X", b"x"]


def test_what_finds_the_queue_full_is_told_from_what_was_shut_out() -> None:
    port = Port("127.0.0.1")
    port.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(100):
        port.quiet.sendto(bytes(500), port.sock.getsockname())
    arrived = len(port.read())
    port.gate.tick(0)
    assert 0 < arrived < 100
    assert port.counters == {"udp_overflowed": 100 - arrived}
    port.close()


def test_where_there_are_no_filters_nothing_is_shut(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcserver.transport.gate._SO_ATTACH_FILTER", 9999)
    assert not port.gate.shut(port.path, 0, stun_passes=False)
    assert port.send(b"x") == [b"X", b"x"]
    assert port.counters["gate_shut"] == 0

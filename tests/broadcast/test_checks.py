"""Checks for consent that the broadcast process answers: the same bytes as the server's, and nothing for anybody else."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from rtcserver.broadcast.checks import (
    AT_ONCE,
    FULL_READS,
    MAX_STRAYS,
    CheckDesk,
    CheckSocket,
    address,
    sockaddr,
)
from rtcserver.clock import NS
from rtcserver.transport import stun
from rtcserver.transport.budget import KNOWN_CHECKS
from rtcserver.transport.handover import KnownCheck
from tests.transport.checking import REMOTE, fresh

UFRAG, PASSWORD = "ours", "a-password-of-some-24-char"
CLIENT = ("192.0.2.7", 4000)
LOCAL = b"\x0a\0\0\x01"
SOURCE = (sockaddr(CLIENT), LOCAL)


def check(tid: bytes, password: str = PASSWORD, priority: int = 7) -> bytes:
    username = f"{UFRAG}:{REMOTE}".encode()
    return stun.build_request(tid, username, password.encode(), priority=priority)


def known(remote: tuple[str, int] = CLIENT, local: bytes = LOCAL) -> KnownCheck:
    data = check(fresh())
    return KnownCheck(remote, local, PASSWORD, data[:8], data[20:-32])


@pytest.fixture
def desk() -> CheckDesk:
    made = CheckDesk()
    made.keep(1, known())
    return made


def test_a_known_check_gets_the_servers_own_answer(desk: CheckDesk) -> None:
    ids = [fresh() for _ in range(3)]
    for n, tid in enumerate(ids):
        answered = desk.answer(check(tid), SOURCE, n)
        assert answered is not None
        assert answered[0] == stun.build_success(tid, CLIENT, PASSWORD.encode())
    assert desk.take() == [(1, 2, tuple(ids))]
    assert desk.take() == []


def test_all_others_are_somebody_elses(desk: CheckDesk) -> None:
    tid = fresh()
    assert desk.answer(check(tid), (sockaddr(("192.0.2.7", 4001)), LOCAL), 0) is None
    assert desk.answer(check(tid), (sockaddr(CLIENT), b"\x0a\0\0\x02"), 0) is None
    assert desk.answer(check(tid, "another-password"), SOURCE, 0) is None
    assert desk.answer(check(tid, priority=8), SOURCE, 0) is None
    good = check(tid)
    for at in range(len(good)):
        spoilt = bytearray(good)
        spoilt[at] ^= 1
        assert desk.answer(bytes(spoilt), SOURCE, at * NS) is None
    assert desk.answer(good[:-1], SOURCE, 200 * NS) is None
    assert desk.answer(b"", SOURCE, 201 * NS) is None
    assert desk.take() == []
    desk.drop(1)
    desk.drop(1)
    assert desk.answer(good, SOURCE, 0) is None


def test_a_peer_has_the_same_budget_as_everywhere(desk: CheckDesk) -> None:
    replies = [desk.answer(check(fresh()), SOURCE, n) for n in range(KNOWN_CHECKS + 5)]
    assert [bool(reply and reply[0]) for reply in replies] == [True] * KNOWN_CHECKS + [False] * 5
    assert desk.over == 5
    later = desk.answer(check(fresh()), SOURCE, NS)
    assert later is not None
    assert later[0]


def test_a_path_has_one_owner(desk: CheckDesk) -> None:
    desk.keep(2, known())
    assert len(desk) == 1
    desk.drop(1)
    assert desk.answer(check(fresh()), SOURCE, 0) is not None
    assert [row.number for row in desk.take()] == [2]


@pytest.mark.parametrize(
    "wrong",
    [known(("2001:db8::1", 9), bytes(16)), known(local=bytes(5)), known()._replace(head=b"short")],
    ids=["IPv6", "local", "head"],
)
def test_what_is_no_check_over_ipv4_is_refused(desk: CheckDesk, wrong: KnownCheck) -> None:
    with pytest.raises(ValueError, match="IPv4"):
        desk.keep(2, wrong)
    assert len(desk) == 1


def test_an_address_survives() -> None:
    assert address(sockaddr(CLIENT)) == CLIENT


class Port:
    """A socket for checks on the wildcard address, and a client on 127.0.0.1."""

    def __init__(self) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO, as the server's has it
        sock.bind(("0.0.0.0", 0))
        self.number = sock.getsockname()[1]
        self.checks = CheckSocket(sock)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.bind(("127.0.0.1", 0))
        self.client.setblocking(False)
        self.desk = CheckDesk()

    def send(self, data: bytes, host: str = "127.0.0.1") -> None:
        self.client.sendto(data, (host, self.number))

    def close(self) -> None:
        self.checks.close()
        self.client.close()


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port()
    yield made
    made.close()


def test_an_answer_leaves_from_the_address_that_was_addressed(port: Port) -> None:
    remote = port.client.getsockname()
    for number, host in enumerate(("127.0.0.1", "127.0.0.2")):
        port.desk.keep(number, known(remote, socket.inet_aton(host)))
    assert port.checks.read(port.desk, 0) == []
    for host in ("127.0.0.2", "127.0.0.1"):
        tid = fresh()
        port.send(check(tid), host)
        assert port.checks.read(port.desk, 0) == []
        reply, source = port.client.recvfrom(2000)
        assert reply == stun.build_success(tid, remote, PASSWORD.encode())
        assert source == (host, port.number)


def test_what_is_not_known_is_handed_on_whole_and_in_bounded_number(port: Port) -> None:
    remote = port.client.getsockname()
    data = check(fresh())
    for _ in range(MAX_STRAYS + 5):
        port.send(data)
    assert port.checks.read(port.desk, 0) == [(data, remote, b"\x7f\0\0\x01")] * MAX_STRAYS
    assert port.checks.read(port.desk, 0) == []
    # Lengths and senders are not those of the datagrams before.
    port.send(b"\0\x01")
    assert port.checks.read(port.desk, 0) == [(b"\0\x01", remote, b"\x7f\0\0\x01")]


def test_a_flood_is_noticed(port: Port) -> None:
    for number in [AT_ONCE] * (FULL_READS - 1) + [AT_ONCE - 1] + [AT_ONCE] * (FULL_READS - 1):
        for _ in range(number):
            port.send(b"\0\x01")
        port.checks.read(port.desk, 0)
    assert not port.checks.overflowed
    for _ in range(AT_ONCE):
        port.send(b"\0\x01")
    port.checks.read(port.desk, 0)
    assert port.checks.overflowed

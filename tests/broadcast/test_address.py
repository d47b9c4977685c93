"""Addresses as the kernel wants them: checked against what it makes of them."""

from __future__ import annotations

import socket
import struct

import pytest

from rtcserver.broadcast.address import route
from rtcserver.transport.address import Address


def test_an_ipv4_name_is_a_sockaddr_in() -> None:
    name = route(socket.AF_INET, Address("192.0.2.7", 0x1234), None).name
    assert name == struct.pack("=H", socket.AF_INET) + b"\x12\x34" + bytes((192, 0, 2, 7)) + bytes(8)


def test_an_ipv6_name_is_a_sockaddr_in6_with_its_scope() -> None:
    way = route(socket.AF_INET6, Address("fe80::1", 5000, 3), None)
    assert len(way.name) == 28
    assert way.name[8:24] == socket.inet_pton(socket.AF_INET6, "fe80::1")
    assert struct.unpack_from("=I", way.name, 24) == (3,)
    assert way.destination == ("fe80::1", 5000, 0, 3)


def test_an_ipv4_address_is_mapped_on_an_ipv6_socket_and_back() -> None:
    way = route(socket.AF_INET6, Address("192.0.2.7", 5000), "192.0.2.1")
    assert way.name[8:24] == bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7))
    assert way.ancillary[0][2][:16] == bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 1))
    back = route(socket.AF_INET, Address("::ffff:192.0.2.7", 5000), None)
    assert back.name == route(socket.AF_INET, Address("192.0.2.7", 5000), None).name


@pytest.mark.parametrize(
    ("family", "host", "source", "size"),
    [
        (socket.AF_INET, "192.0.2.7", "192.0.2.1", socket.CMSG_SPACE(12)),
        (socket.AF_INET6, "2001:db8::7", "2001:db8::1", socket.CMSG_SPACE(20)),
    ],
)
def test_control_data_has_the_kernels_size(family: int, host: str, source: str, size: int) -> None:
    way = route(family, Address(host, 5000), source)
    assert len(way.control) == size
    (length,) = struct.unpack_from("=Q", way.control)
    assert length == socket.CMSG_LEN(len(way.ancillary[0][2]))
    assert route(family, Address(host, 5000), None).control == b""


@pytest.mark.parametrize(
    ("family", "destination"),
    [
        (socket.AF_INET, Address("2001:db8::7", 5000)),
        (socket.AF_INET, Address("example.org", 5000)),
        (socket.AF_INET, Address("192.0.2.7", 0)),
        (socket.AF_INET6, Address("::1", 65536)),
        (socket.AF_INET6, Address("fe80::1", 5000, -1)),
        (socket.AF_INET, None),
        (socket.AF_UNIX, Address("192.0.2.7", 5000)),
        (socket.AF_NETLINK, Address("192.0.2.7", 5000)),
    ],
)
def test_what_does_not_fit_is_refused(family: int, destination: Address | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        route(family, destination, None)

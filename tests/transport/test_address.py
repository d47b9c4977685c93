"""A path in text, and the control messages that tell and choose the local address."""

from __future__ import annotations

import socket
import sys

import pytest

from rtcserver.transport.address import (
    IP_PKTINFO,
    IPV6_PKTINFO,
    Address,
    Path,
    addressed,
    leave_from,
)

FOUR = socket.inet_pton(socket.AF_INET, "192.0.2.7")
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::7")
LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::7")


@pytest.mark.parametrize(
    ("path", "source", "destination"),
    [
        (Path(0, FOUR, 0, ("192.0.2.1", 9)), "192.0.2.7", Address("192.0.2.1", 9)),
        (Path(1, SIX, 0, ("2001:db8::1", 9, 0, 0)), "2001:db8::7", Address("2001:db8::1", 9)),
        (Path(1, LINK_LOCAL, 3, ("fe80::1%eth0", 9, 0, 3)), "fe80::7", Address("fe80::1", 9, 3)),
        (Path(0, b"", 0, ("192.0.2.1", 9)), None, Address("192.0.2.1", 9)),
    ],
)
def test_a_path_has_two_ends_in_text(path: Path, source: str | None, destination: Address) -> None:
    assert (path.source, path.destination) == (source, destination)


def test_a_datagram_leaves_from_where_it_was_addressed() -> None:
    assert leave_from(b"") == []
    assert leave_from(FOUR) == [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + FOUR + bytes(4))]
    assert leave_from(LINK_LOCAL, 3) == [
        (socket.IPPROTO_IPV6, IPV6_PKTINFO, LINK_LOCAL + (3).to_bytes(4, sys.byteorder))
    ]


def test_the_local_address_is_read_with_the_interface_of_a_link_local_one() -> None:
    index = (3).to_bytes(4, sys.byteorder)
    assert addressed([]) == (b"", 0)
    assert addressed([(socket.IPPROTO_IP, IP_PKTINFO, index + bytes(4) + FOUR)]) == (FOUR, 0)
    assert addressed([(socket.IPPROTO_IPV6, IPV6_PKTINFO, SIX + index)]) == (SIX, 0)
    assert addressed([(socket.IPPROTO_IPV6, IPV6_PKTINFO, LINK_LOCAL + index)]) == (LINK_LOCAL, 3)
    assert addressed([(socket.IPPROTO_IP, IP_PKTINFO, b"short")]) == (b"", 0)

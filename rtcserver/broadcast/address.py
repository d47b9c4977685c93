"""Where a datagram goes to and leaves from, as the kernel wants it.

Pure: text addresses become ``sockaddr`` and control-message bytes of 64-bit Linux, and the
arguments of `socket.sendmsg` elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass

from rtcserver.transport.address import Address, Ancillary, leave_from
from rtcserver.transport.frame_writer import FrameWriter

NAME_SIZE = 32
"""Room for a sockaddr_in (16 bytes) or sockaddr_in6 (28)."""
CONTROL_SIZE = 40
"""Room for one in_pktinfo (32 bytes with its header) or in6_pktinfo (40)."""

_CMSG_HEADER = struct.Struct("=QII")


@dataclass(frozen=True, slots=True)
class Route:
    """One listener's destination and source, encoded for a socket of one family.

    name, control: the bytes that ``msg_name`` and ``msg_control`` point to.
    destination, ancillary: the same for `socket.sendmsg`. stream: where the packets are written instead, for a listener
    on TCP.
    """

    name: bytes
    control: bytes
    destination: tuple[str, int] | tuple[str, int, int, int] | None
    ancillary: Ancillary
    stream: FrameWriter | None = None


def route(family: int, destination: Address | None, source: str | None) -> Route:
    """Encode `destination`, and `source`: the local address that the datagram must leave from.

    A `source` of None leaves the choice to the socket (bound to one address) or the kernel. On an
    IPv6 socket an IPv4 address becomes its mapped form. A connected Unix socket takes no destination.
    Raises ValueError if an address does not fit the family.
    """
    if family == socket.AF_UNIX:
        if destination is not None:
            raise ValueError("a Unix socket takes no destination")
        return Route(b"", b"", None, [])
    if destination is None:
        raise ValueError("an IP socket needs a destination")
    if not 0 < destination.port < 65536:
        raise ValueError(f"port {destination.port} is out of range")
    if not 0 <= destination.scope_id < 1 << 32:
        raise ValueError(f"scope_id {destination.scope_id} is out of range")
    if family == socket.AF_INET:
        packed = _ipv4(destination.host)
        name = struct.pack("=H", family) + struct.pack("!H", destination.port) + packed + bytes(8)
        ancillary = leave_from(_ipv4(source) if source is not None else b"")
        return Route(name, _control(ancillary), (destination.host, destination.port), ancillary)
    if family == socket.AF_INET6:
        packed = _ipv6(destination.host)
        name = (
            struct.pack("=H", family)
            + struct.pack("!HI", destination.port, 0)
            + packed
            + struct.pack("=I", destination.scope_id)
        )
        ancillary = leave_from(_ipv6(source) if source is not None else b"")
        host = socket.inet_ntop(socket.AF_INET6, packed)
        return Route(name, _control(ancillary), (host, destination.port, 0, destination.scope_id), ancillary)
    raise ValueError(f"address family {family} is not served")


def _control(ancillary: Ancillary) -> bytes:
    """One cmsghdr with its data, padded to its alignment (CMSG_SPACE of 64-bit Linux)."""
    if not ancillary:
        return b""
    level, kind, data = ancillary[0]
    message = _CMSG_HEADER.pack(_CMSG_HEADER.size + len(data), level, kind) + data
    return message + bytes(-len(message) % 8)


def _ipv4(host: str) -> bytes:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            raise ValueError(f"{host} cannot be reached from an IPv4 socket")
        address = mapped
    return address.packed


def _ipv6(host: str) -> bytes:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return bytes(10) + b"\xff\xff" + address.packed
    return address.packed

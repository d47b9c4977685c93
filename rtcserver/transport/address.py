"""Where a datagram comes from and goes to, from the socket to the process that sends media. Pure.

`Path` is what a socket knows of a datagram, and what an answer needs. `Address` is one end of it in text, as
the broadcast process is told; `rtcserver.broadcast.address` encodes it for the kernel.
"""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass
from typing import NamedTuple

IP_PKTINFO: int = getattr(socket, "IP_PKTINFO", 26 if sys.platform == "darwin" else 8)
IPV6_PKTINFO: int = getattr(socket, "IPV6_PKTINFO", 50)
Ancillary = list[tuple[int, int, bytes]]
"""Control messages as `socket.sendmsg` takes them: level, type, data."""

_IFINDEX = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address as text, a UDP port, and the interface index that a link-local address needs."""

    host: str
    port: int
    scope_id: int = 0


class Path(NamedTuple):
    """A 5-tuple: the socket's index, the local address that was addressed, and the sender's sockaddr.

    local: 4 or 16 bytes, network order; b"" where the platform does not tell. scope: interface index
    of a link-local address, else 0. remote: as the socket module has it, ``(host, port)`` or with
    flow info and scope. stream: the number of its TCP stream (`rtcserver.transport.streams`), never used again; 0 is UDP.
    """

    socket: int
    local: bytes
    scope: int
    remote: tuple[str, int] | tuple[str, int, int, int]
    stream: int = 0

    @property
    def source(self) -> str | None:
        """The local address as text: what media has to leave from; None leaves it to the kernel."""
        if not self.local:
            return None
        return socket.inet_ntop(socket.AF_INET if len(self.local) == 4 else socket.AF_INET6, self.local)

    @property
    def destination(self) -> Address:
        """The other end: where media goes."""
        scope_id = self.remote[3] if len(self.remote) == 4 else 0
        return Address(self.remote[0].partition("%")[0], self.remote[1], scope_id)


def leave_from(local: bytes, scope: int = 0) -> Ancillary:
    """The control message that lets a datagram leave from a local address of 4 or 16 bytes; none for b""."""
    if len(local) == 4:
        # struct in_pktinfo: interface (any), source (ipi_spec_dst), destination (unused when sending)
        return [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + local + bytes(4))]
    if len(local) == 16:
        return [(socket.IPPROTO_IPV6, IPV6_PKTINFO, local + _IFINDEX.pack(scope))]
    return []


def addressed(ancillary: Ancillary) -> tuple[bytes, int]:
    """The address that a datagram was sent to, and the interface index if it is link-local; b"" if not told."""
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(value) >= 12:
            return value[8:12], 0
        if level == socket.IPPROTO_IPV6 and kind == IPV6_PKTINFO and len(value) >= 20:
            local = value[:16]
            link_local = local[0] == 0xFE and local[1] & 0xC0 == 0x80
            return local, _IFINDEX.unpack_from(value, 16)[0] if link_local else 0
    return b"", 0

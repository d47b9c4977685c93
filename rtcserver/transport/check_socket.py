"""A second socket on the media port, to which the kernel gives the connectivity checks alone (Linux, IPv4).

Nearly all datagrams that ever arrive are checks for consent, one in 2.5 s from each listener. Whoever waits for the port is
woken for each; on a socket of their own they can be read together, when their reader is awake anyway. The two share
the port by ``SO_REUSEPORT``, and a classic BPF program (``SO_ATTACH_REUSEPORT_CBPF``, socket(7)) says which of them gets
a datagram: the second one if its first two bytes are those of a STUN Binding request (RFC 8489, section 5).

The first socket was bound alone, so that a second server on the port is an error as ever; only afterwards does it share.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from rtcserver.transport.address import IP_PKTINFO
from rtcserver.transport.stun import BINDING_REQUEST
from rtcserver.transport.udp import grow_buffers

_SO_ATTACH_REUSEPORT_CBPF = 51
_LOAD_HALF, _EQUAL, _RETURN = 0x28, 0x15, 0x06
PROGRAM = (
    (_LOAD_HALF, 0, 0, 0),
    (_EQUAL, 0, 1, BINDING_REQUEST),
    (_RETURN, 0, 0, 1),
    (_RETURN, 0, 0, 0),
)
"""``struct sock_filter``: code, jump if true, jump if false, operand. A datagram of one byte ends it with 0."""


def open_check_socket(port: socket.socket) -> socket.socket | None:
    """The second socket for a bound one of the port; None where there is no such thing."""
    if port.family != socket.AF_INET or not hasattr(socket, "SO_REUSEPORT"):
        return None
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        grow_buffers(sock)
        for each in (port, sock):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(port.getsockname())
        packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in PROGRAM)
        buffer = ctypes.create_string_buffer(packed, len(packed))
        # struct sock_fprog: the number of instructions and where they are.
        described = struct.pack("@HP", len(PROGRAM), ctypes.addressof(buffer))
        port.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, described)
    except OSError:
        sock.close()
        return None
    return sock

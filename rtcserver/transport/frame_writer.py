"""The writing side of a TCP stream of packets: bounded, never waiting, and never half a packet.

Media is worth nothing when it is late, so what finds no room is dropped whole, and not more than a moment of it may wait in
the kernel. Answers to checks and DTLS wait in a short queue, and go before media. What the kernel took a part of is
finished before anything else is written.

A stream has one writer at a time. The server process hands a stream over to the broadcast process together with what is not
written yet (`take_rest`), and writes on it no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import sys
from typing import Any

from rtcserver.transport.framing import framed

MAX_WAITING = 16_384
"""Bytes of answers and DTLS that wait in a stream's queue; what is more is dropped: its sender sends it again."""
UNSENT_BYTES = 4096
"""Bytes that the kernel may hold unsent when media is added: a sixth of a second of Opus at 160 kb/s."""
SEND_BUFFER = 65_536
"""Bytes that the kernel may hold in all, those that are on the way and not acknowledged included."""
USER_TIMEOUT_MS = 20_000
"""When the kernel ends a connection whose other end acknowledges nothing (RFC 5482; tcp(7))."""

_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
_SIOCOUTQNSD = 0x894B
"""Bytes in the send queue that have not been sent once (Linux, sockios.h)."""
_TCP_USER_TIMEOUT: int = getattr(socket, "TCP_USER_TIMEOUT", 18)
_INT = struct.Struct("i")
_ON_LINUX = sys.platform == "linux"


def prepare(sock: socket.socket) -> None:
    """Let a connected socket send small packets at once, hold little, and give a dead end up. Raises OSError."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if _ON_LINUX:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def unsent(sock: socket.socket) -> int:
    """Bytes that were written and have not left yet; 0 where the system does not tell. Raises OSError."""
    if not _ON_LINUX:
        return 0
    return int(_INT.unpack(fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, bytes(4)))[0])


class FrameWriter:
    """One stream's. sock: prepared, connected; closed by `close`. rest: what is to be written first.

    dropped: packets that were not written. taken: bytes that the kernel took. broken: whether nothing can be written any
    more.
    """

    __slots__ = ("_rest", "_unsent_bytes", "broken", "dropped", "sock", "taken")

    def __init__(self, sock: socket.socket, rest: bytes = b"", unsent_bytes: int = UNSENT_BYTES) -> None:
        self.sock = sock
        self._rest = rest
        self._unsent_bytes = unsent_bytes
        self.dropped = self.taken = 0
        self.broken = False

    @property
    def waiting(self) -> int:
        """Bytes that wait for room."""
        return len(self._rest)

    def send(self, packet: bytes) -> bool:
        """Write an answer or DTLS, now or as soon as there is room. False if it is dropped."""
        if self.broken or len(self._rest) + len(packet) > MAX_WAITING:
            self.dropped += 1
            return False
        self._rest += framed(packet)
        self.flush()
        return not self.broken

    def send_media(self, packet: Any) -> bool:
        """Write RTP (bytes-like) if there is room for it now. False if it is dropped."""
        if not self.flush() or self.is_behind():
            self.dropped += 1
            return False
        data = framed(bytes(packet))
        sent = self._write(data)
        if sent == 0:
            self.dropped += 1
            return False
        self._rest = data[sent:]
        return True

    def flush(self) -> bool:
        """Write what waits, as far as there is room. Whether more can be written."""
        if self._rest:
            self._rest = self._rest[self._write(self._rest) :]
        return not self._rest and not self.broken

    def take_rest(self) -> bytes:
        """What waits, for whoever writes from now on; nothing is written here any more."""
        rest, self._rest = self._rest, b""
        self.broken = True
        return rest

    def shut_down(self) -> None:
        """End the connection for both ends and all processes that have it."""
        self._break()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self.broken = True
        self._rest = b""
        self.sock.close()

    def is_behind(self) -> bool:
        """Whether more is unsent than may be when media is added."""
        try:
            return unsent(self.sock) > self._unsent_bytes
        except OSError:
            self._break()
            return True

    def _write(self, data: bytes) -> int:
        try:
            sent = self.sock.send(data, _FLAGS)
            self.taken += sent
            return sent
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._break()
            return 0

    def _break(self) -> None:
        self.broken = True
        self._rest = b""

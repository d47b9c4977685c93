"""The UDP port: its sockets, bounded reads, and replies from the address that was addressed.

One wildcard socket per IP family; ``IP_PKTINFO``/``IPV6_PKTINFO`` tell on arrival which local address a
datagram was sent to, and on departure which one to leave from. Why not a socket per address:
docs/decisions/0002-one-port.md. The broadcast process sends on duplicates of the same sockets.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections import Counter
from collections.abc import Callable

from rtcserver.clock import monotonic_ns
from rtcserver.errors import ConfigError
from rtcserver.transport.address import IP_PKTINFO, Ancillary, Path, addressed, leave_from

MAX_DATAGRAM = 1500
"""Bytes. What is longer is dropped: nothing that is spoken here exceeds an Ethernet frame."""

BATCH = 64
"""Datagrams read from one socket before the event loop gets its turn."""
BATCH_NS = 2_000_000
"""Time after which a batch ends early: DTLS handshakes cost half a millisecond each."""

BUFFER_BYTES = 4 * 1024 * 1024

_IPV6_RECVPKTINFO: int = getattr(socket, "IPV6_RECVPKTINFO", 49)
_MSG_TRUNC = int(socket.MSG_TRUNC)
_SO_RCVBUFFORCE = 33
_SO_SNDBUFFORCE = 32
_ANCILLARY_BYTES = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(12)
_PORT_ATTEMPTS = 16

log = logging.getLogger(__name__)


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Bind the port on all addresses ("" as `host`) or on one.

    Port 0 takes a free one, the same for both families. A machine without IPv6 gets the IPv4 socket
    only. Raises `ConfigError` if the port is taken or the address is not this machine's.
    """
    for _ in range(_PORT_ATTEMPTS if port == 0 else 1):
        try:
            return _open(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                if port == 0:
                    continue
                raise ConfigError(
                    f"media_port = {port}: UDP port {port} is taken by another program; "
                    f"`ss -ulpn 'sport = :{port}'` names it, or choose another with --media-port"
                ) from error
            raise ConfigError(
                f"media_port = {port}, host = {host!r}: cannot bind: {error.strerror}"
            ) from error
    raise ConfigError("media_port = 0: found no UDP port that is free for IPv4 and IPv6")


def _open(host: str, port: int) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        if not host or ":" not in host:
            opened.append(_bind(socket.AF_INET, host or "0.0.0.0", port))
            port = opened[0].getsockname()[1]
        if not host or ":" in host:
            try:
                opened.append(_bind(socket.AF_INET6, host or "::", port))
            except OSError as error:
                if not opened or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    return opened


def _bind(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _ask_for_local_address(sock, family)
        grow_buffers(sock)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _ask_for_local_address(sock: socket.socket, family: int) -> None:
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    except OSError:
        # Platforms without it leave the source address to the kernel: right on a machine with one address.
        log.warning("this platform does not tell which local address a datagram was sent to")


def grow_buffers(sock: socket.socket) -> None:
    """Give a socket of the port the room that `BUFFER_BYTES` says, in both directions."""
    for forced, ordinary in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        _grow_buffer(sock, forced, ordinary)


def _grow_buffer(sock: socket.socket, forced: int, ordinary: int) -> None:
    """Ask for `BUFFER_BYTES`: a join storm fits, and so does one packet to every listener."""
    if sys.platform == "linux":
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)  # beyond rmem_max, with CAP_NET_ADMIN
            return
        except OSError:
            pass
    try:
        sock.setsockopt(socket.SOL_SOCKET, ordinary, BUFFER_BYTES)
    except OSError as error:
        log.warning("cannot enlarge a socket buffer: %s", error)


class UdpPort:
    """The port's sockets on one event loop.

    receive: called with (datagram, path, arrival in monotonic ns) for 1..1500 bytes; must not raise.
    counters: datagrams and bytes in and out, and what was dropped and why.
    checks: the socket for checks beside the first one (`rtcserver.transport.check_socket`), which is read here unless
    `read_checks` says that somebody else does it; None if there is none.
    """

    def __init__(
        self, sockets: list[socket.socket], counters: Counter[str], checks: socket.socket | None = None
    ) -> None:
        self.sockets = sockets
        self.checks = checks
        self._all = sockets if checks is None else [*sockets, checks]
        self.port: int = sockets[0].getsockname()[1]
        self._counters = counters
        self._emptied_ns = [monotonic_ns()] * len(self._all)
        """When each socket was last seen empty."""
        self._behind: set[int] = set()
        """Sockets that may have been left with datagrams in them."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._receive: Callable[[bytes, Path, int], None] = lambda data, path, now_ns: None
        self._reads_checks = False
        self._control: dict[tuple[bytes, int], Ancillary] = {}

    def start(self, receive: Callable[[bytes, Path, int], None]) -> None:
        """Begin to read. The running event loop owns the sockets from here on."""
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        for index, sock in enumerate(self.sockets):
            self._loop.add_reader(sock.fileno(), self._drain, index, sock, receive)
        self.read_checks(True)

    def read_checks(self, wanted: bool) -> None:
        """Read the socket for checks as soon as something arrives, or leave that to others."""
        if self.checks is None or self._loop is None or wanted == self._reads_checks:
            return
        self._reads_checks = wanted
        place = len(self.sockets)
        if wanted:
            self._loop.add_reader(self.checks.fileno(), self._drain, place, self.checks, self._receive)
        else:
            self._loop.remove_reader(self.checks.fileno())
            self._behind.discard(place)

    def heard_until(self, now_ns: int) -> int:
        """Up to when everything that arrived has been read: `now_ns`, or earlier while sockets hold datagrams."""
        for index in list(self._behind):
            try:
                self._all[index].recv(1, socket.MSG_PEEK)
            except OSError:
                self._empty(index, now_ns)
        return min((self._emptied_ns[index] for index in self._behind), default=now_ns)

    def _empty(self, index: int, now_ns: int) -> None:
        self._behind.discard(index)
        self._emptied_ns[index] = now_ns

    def close(self) -> None:
        """Stop reading and close the sockets. Idempotent."""
        for sock in self._all:
            if self._loop is not None and sock.fileno() >= 0:
                self._loop.remove_reader(sock.fileno())
            sock.close()

    def send(self, data: bytes, path: Path) -> bool:
        """Send one datagram back along `path`. False if the kernel did not take it; counted, never raises."""
        key = (path.local, path.scope)
        control = self._control.get(key)
        if control is None:
            control = self._remember_control(key)
        try:
            self.sockets[path.socket].sendmsg((data,), control, 0, path.remote)
        except BlockingIOError:
            self._counters["udp_send_full"] += 1
            return False
        except OSError:
            self._counters["udp_send_errors"] += 1
            return False
        self._counters["udp_sent"] += 1
        return True

    def _remember_control(self, key: tuple[bytes, int]) -> Ancillary:
        control = leave_from(*key)
        if len(self._control) >= 256:
            self._control.clear()
        self._control[key] = control
        return control

    def _drain(self, index: int, sock: socket.socket, receive: Callable[[bytes, Path, int], None]) -> None:
        counters = self._counters
        started = now = monotonic_ns()
        for _ in range(BATCH):
            try:
                data, ancillary, flags, remote = sock.recvmsg(MAX_DATAGRAM + 1, _ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                self._empty(index, now)
                return
            except OSError:
                counters["udp_receive_errors"] += 1
                return
            counters["udp_received"] += 1
            size = len(data)
            if size == 0:
                counters["udp_empty"] += 1
            elif size > MAX_DATAGRAM or flags & _MSG_TRUNC:
                counters["udp_oversized"] += 1
            else:
                local, scope = addressed(ancillary)
                # The socket for checks is the first one's: the same path, whichever of them a datagram came by.
                receive(data, Path(0 if sock is self.checks else index, local, scope, remote), now)
            now = monotonic_ns()
            if now - started > BATCH_NS:
                break
        # The reader is level-triggered: what is left comes in the loop's next turn.
        self._behind.add(index)

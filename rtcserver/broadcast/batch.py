"""Many datagrams in one system call, and what to do about those that the kernel refuses.

`send_batch` uses ``sendmmsg`` (64-bit Linux), `send_each` a ``sendmsg`` a datagram. Both skip
a destination that fails and go on with those behind it, and neither waits longer than its budget.
"""

from __future__ import annotations

import ctypes
import errno
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.broadcast.address import Route
from rtcserver.clock import monotonic_ns

BUDGET_NS = 2_000_000
"""How long one packet's datagrams may wait in all for a full socket, before the rest is dropped."""
MAX_BATCH = 1024
"""Messages that one sendmmsg call takes (UIO_MAXIOV)."""
HAVE_SENDMMSG = sys.platform.startswith("linux") and struct.calcsize("P") == 8 and sys.byteorder == "little"

MMSGHDR: np.dtype[Any] = np.dtype(
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "sent"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
"""``struct mmsghdr`` of 64-bit Linux: a ``struct msghdr`` of 56 bytes and ``msg_len``."""
IOVEC: np.dtype[Any] = np.dtype([("base", "<u8"), ("length", "<u8")])

_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM)

if HAVE_SENDMMSG:
    _sendmmsg: Any = ctypes.CDLL(None, use_errno=True).sendmmsg
    _sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    _sendmmsg.restype = ctypes.c_int
    _recvmmsg: Any = ctypes.CDLL(None, use_errno=True).recvmmsg
    _recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    _recvmmsg.restype = ctypes.c_int


class SendBudget:
    """The time that the datagrams of one packet may wait, all together. Starts with the first wait."""

    __slots__ = ("_deadline_ns", "_limit_ns")

    def __init__(self, limit_ns: int = BUDGET_NS) -> None:
        self._limit_ns = limit_ns
        self._deadline_ns = 0

    def wait(self, fd: int, error: int) -> bool:
        """Wait a little for a full socket. False, at once, when the time is used up."""
        now = monotonic_ns()
        if not self._deadline_ns:
            self._deadline_ns = now + self._limit_ns
        left = self._deadline_ns - now
        if left <= 0:
            return False
        if error in (errno.EAGAIN, errno.EWOULDBLOCK):
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll(-(-left // 1_000_000))
            # A queue behind the socket may be full although the socket itself is writable.
            time.sleep(min(left, 50_000) / 1e9)
        else:
            # A full device queue does not make the socket unwritable: there is nothing to select on.
            time.sleep(min(left, 200_000) / 1e9)
        return True


BatchOutcome = tuple[int, list[int]]
"""``(end, failed)``: everything before `end` was tried, the rest dropped; `failed` lists the
indices whose own destination was refused."""


def send_batch(fd: int, headers: int, start: int, stop: int, budget: SendBudget) -> BatchOutcome:
    """Send the messages `start` to `stop` of an array of MMSGHDR at address `headers`."""
    failed: list[int] = []
    position = start
    while position < stop:
        count = _sendmmsg(fd, headers + position * 64, min(stop - position, MAX_BATCH), _FLAGS)
        if count > 0:
            position += count
            continue
        error = ctypes.get_errno()
        if error == errno.EINTR:
            continue
        if error in _FULL:
            if budget.wait(fd, error):
                continue
            break
        # sendmmsg stops at the first destination that fails: step over it.
        failed.append(position)
        position += 1
    return position, failed


def recv_batch(fd: int, headers: int, count: int) -> int:
    """Receive what waits, `count` datagrams at most, into an array of MMSGHDR. How many there were; -1 for none."""
    received: int = _recvmmsg(fd, headers, count, socket.MSG_DONTWAIT, None)
    return received


def send_each(
    sock: socket.socket,
    rows: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.int32],
    routes: Sequence[Route],
    start: int,
    stop: int,
    budget: SendBudget,
) -> BatchOutcome:
    """The same as `send_batch` through one `socket.sendmsg` a datagram; row n holds datagram n."""
    failed: list[int] = []
    position = start
    while position < stop:
        error = send_one(sock, rows[position, : lengths[position]].data, routes[position])
        if error in _FULL:
            if budget.wait(sock.fileno(), error):
                continue
            break
        if error:
            failed.append(position)
        position += 1
    return position, failed


def send_one(sock: socket.socket, data: Any, route: Route) -> int:
    """Send one datagram, or write it on the route's stream, without blocking: 0 or the errno."""
    if route.stream is not None:
        return 0 if route.stream.send_media(data) else errno.EAGAIN
    try:
        if route.destination is None:
            sock.send(data, _FLAGS)
        else:
            sock.sendmsg((data,), route.ancillary, _FLAGS, route.destination)
    except OSError as error:
        return error.errno or errno.EIO
    return 0

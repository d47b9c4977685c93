"""Takes what has arrived out of a UDP socket, many datagrams a system call, and counts it.

No listener is waited for: sockets are drained in turn, some times a second, so a packet costs a share
of one ``recvmmsg`` and of a dozen NumPy operations, well under a microsecond. Only RTP headers are looked at;
everything else in the socket is handed back as bytes.
"""

from __future__ import annotations

import copy
import ctypes
import errno
import socket
import struct
import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcserver.load.stream import Stream

SLOTS = 128
"""Datagrams of one call."""
SLOT_BYTES = 2048
_NAME = 28
_CONTROL = 64
_MMSGHDR: np.dtype[Any] = np.dtype(
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "received"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
_IOVEC: np.dtype[Any] = np.dtype([("base", "<u8"), ("length", "<u8")])
HAVE_RECVMMSG = sys.platform.startswith("linux") and struct.calcsize("P") == 8 and sys.byteorder == "little"
SO_TIMESTAMPNS = 35
_TIMESTAMP_BYTES = 32
"""``cmsghdr`` and a ``struct timespec``, of 64-bit Linux."""


class Batch(NamedTuple):
    """RTP packets of one call, all of the server's. Views into the arena, valid until the next call.

    rows: (n, `SLOT_BYTES`) uint8. lengths: bytes. arrived_ns: wall clock of the kernel's timestamps, or None.
    """

    rows: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.uint32]
    sequences: npt.NDArray[np.uint16]
    timestamps: npt.NDArray[np.uint32]
    arrived_ns: npt.NDArray[np.int64] | None


class Drain:
    """One arena, for all sockets of a process or for one. Not thread-safe.

    timestamps: also read the kernel's arrival times; the sockets need `stamp`.
    wait: sleep until all slots are full, or the socket's own time-out. The kernel wakes the thread for each
    datagram, as it would any receiver, and puts it to sleep again without a way through Python.
    strangers: datagrams from another port than the listener's server.
    """

    def __init__(
        self,
        *,
        timestamps: bool = False,
        slots: int = SLOTS,
        slot_bytes: int = SLOT_BYTES,
        wait: bool = False,
    ) -> None:
        self.strangers = 0
        self._timestamps = timestamps
        self._slots = slots
        self._flags = 0 if wait else int(socket.MSG_DONTWAIT)
        self._rows = np.zeros((slots, slot_bytes), np.uint8)
        self._names = np.zeros((slots, _NAME), np.uint8)
        self._controls = np.zeros((slots, _CONTROL), np.uint8)
        self._headers = np.zeros(slots, _MMSGHDR)
        if not HAVE_RECVMMSG:
            return
        index = np.arange(slots, dtype=np.uint64)
        iovecs = self._iovecs = np.zeros(slots, _IOVEC)
        iovecs["base"] = self._rows.ctypes.data + index * np.uint64(slot_bytes)
        iovecs["length"] = slot_bytes
        self._headers["name"] = self._names.ctypes.data + index * np.uint64(_NAME)
        self._headers["namelen"] = _NAME
        self._headers["iov"] = iovecs.ctypes.data + index * np.uint64(_IOVEC.itemsize)
        self._headers["iovlen"] = 1
        if timestamps:
            self._headers["control"] = self._controls.ctypes.data + index * np.uint64(_CONTROL)
        self._address = self._headers.ctypes.data
        self._recvmmsg: Any = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._recvmmsg.argtypes = (
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_void_p,
        )

    def take(self, sock: socket.socket, port: int, stream: Stream) -> tuple[Batch | None, list[bytes], bool]:
        """One call's worth: the RTP packets, counted in `stream`; the other datagrams; whether more may wait.

        port: the server's; datagrams from another one are dropped and counted.
        """
        n = self.receive(sock)
        if not n:
            return None, [], False
        batch, others = self.sort(n, port, stream)
        return batch, others, n == self._slots

    def underway(self, port: int, stream: Stream) -> Stream:
        """A copy of `stream` with what a call of `receive` that still waits has received so far.

        The kernel writes each datagram's length when it has come.
        """
        so_far = copy.copy(stream)
        lengths = self._headers["received"]
        n = self._slots if lengths.all() else int(np.argmin(lengths != 0))
        if n:
            strangers = self.strangers
            self.sort(n, port, so_far)
            self.strangers = strangers
        return so_far

    def clear(self) -> None:
        """Forget what came, for `underway`."""
        self._headers["received"] = 0

    def sort(self, n: int, port: int, stream: Stream) -> tuple[Batch | None, list[bytes]]:
        """Count the RTP packets among the first n slots. Views last until the next `clear` or `receive`."""
        rows = self._rows[:n]
        lengths = self._headers["received"][:n]
        first, second = rows[:, 0], rows[:, 1]
        ours = self._names[:n, 2:4].copy().view(">u2")[:, 0] == port
        # RFC 7983: 128 to 191 is RTP or RTCP, and RTCP's types are 192 to 223 (RFC 5761, section 4).
        media = (first & 0xC0 == 0x80) & (second & 0xE0 != 0xC0) & (lengths >= 12) & ours
        others: list[bytes] = []
        if media.all():
            indices: Any = slice(None)
            count = n
        else:
            self.strangers += n - int(ours.sum())
            others = [rows[slot, : lengths[slot]].tobytes() for slot in np.flatnonzero(~media & ours)]
            indices = np.flatnonzero(media)
            count = len(indices)
            if not count:
                return None, others
        heads = rows[indices, :8]
        sequences = heads[:, 2:4].copy().view(">u2")[:, 0].astype(np.uint16)
        timestamps = heads[:, 4:8].copy().view(">u4")[:, 0].astype(np.uint32)
        stream.count(sequences, int(timestamps[count - 1]))
        arrived: npt.NDArray[np.int64] | None = None
        if self._timestamps:
            # Behind the header of 16 bytes: seconds and nanoseconds.
            times = self._controls[:n][indices, 16:_TIMESTAMP_BYTES].copy().view("<i8")
            arrived = times[:, 0] * 1_000_000_000 + times[:, 1]
        return Batch(rows[indices], lengths[indices], sequences, timestamps, arrived), others

    def receive(self, sock: socket.socket) -> int:
        """Fill the slots from the first on; returns how many."""
        if not HAVE_RECVMMSG:
            return self._receive_each(sock)
        if self._timestamps:
            self._headers["controllen"] = _CONTROL
        while True:
            n: int = self._recvmmsg(sock.fileno(), self._address, self._slots, self._flags, None)
            if n >= 0:
                return n
            if ctypes.get_errno() != errno.EINTR:
                return 0

    def _receive_each(self, sock: socket.socket) -> int:
        for slot in range(self._slots):
            try:
                size, address = sock.recvfrom_into(self._rows[slot].data)
            except OSError:
                return slot
            self._headers["received"][slot] = size
            self._names[slot, 2:4] = list(address[1].to_bytes(2))
        return self._slots


def stamp(sock: socket.socket) -> None:
    """Have the kernel note when each datagram arrives (Linux)."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def socket_drops(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped because this socket was full; 0 where that is not known."""
    if not sys.platform.startswith("linux"):
        return 0
    # SO_MEMINFO: nine counters, the last is SK_MEMINFO_DROPS.
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, 55, 36)[32:36], sys.byteorder)

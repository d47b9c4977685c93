"""The memory that outgoing packets are made in: one row a listener, filled by columns.

A `SlotBlock` holds up to `BLOCK` listeners of one room, payload kind and socket. Sending a packet
is: `fill` (NumPy), `protect` (libsrtp, in place), `send` (sendmmsg on headers that were built once),
and `remember` (a copy of the protected bytes, for NACK). Slots are dense: the owner moves the
last one into a hole.
"""

from __future__ import annotations

import itertools
import socket
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcserver.broadcast import batch
from rtcserver.broadcast.address import CONTROL_SIZE, NAME_SIZE, Route
from rtcserver.broadcast.batch import IOVEC, MMSGHDR, Patience
from rtcserver.broadcast.srtp import MAX_TAG, PROTECT, int_pointer, pointer

BLOCK = 512
"""Slots of a block. Few enough that a block stays in the cache between its three passes."""
HEADER = 12
"""Bytes of an RTP header without extensions (RFC 3550, section 5.1)."""
MAX_PAYLOAD = 1276
"""Bytes of payload: the longest Opus packet of one frame (RFC 6716, section 3.4)."""
_VERSION = 0x8000_0000


class Plane(NamedTuple):
    """The protected packets of one send; row n of `rows` is slot n's."""

    rows: npt.NDArray[np.uint8]
    unprotected: int
    """Bytes of a packet before its tag."""


class SlotState(NamedTuple):
    """Everything that must move along when a listener changes its slot."""

    context: Any
    tag: int
    route: Route
    payload_type: int
    ssrc: int
    sequence: int
    """The next packet's."""
    timestamp_offset: int
    packets: int = 0
    octets: int = 0
    dropped: int = 0
    errors: int = 0


class SlotBlock:
    """Up to `capacity` listener slots. Single-threaded.

    The columns (`sequence`, `packets`, …) are indexed by slot; only the first `count` entries mean
    something. `packets` and `octets` count what left (octets of payload, as sender reports want them),
    `dropped` what a full socket refused, `errors` what was refused because of its destination.
    """

    def __init__(self, capacity: int = BLOCK) -> None:
        self.capacity = capacity
        self.count = 0
        self.sequence = np.zeros(capacity, np.uint32)
        self.ssrc = np.zeros(capacity, np.uint32)
        self.timestamp_offset = np.zeros(capacity, np.uint32)
        self.packets = np.zeros(capacity, np.int64)
        self.octets = np.zeros(capacity, np.int64)
        self.dropped = np.zeros(capacity, np.int64)
        self.errors = np.zeros(capacity, np.int64)
        self.planes: deque[Plane] = deque()
        """The history, newest last. A slot is in as many of the newest as packets were sent since it came."""
        self.protect_failures = 0
        self._first_word = np.zeros(capacity, np.uint32)
        self._tag = np.zeros(capacity, np.int32)
        self._contexts: list[Any] = []
        self._routes: list[Route] = []
        self._names = np.zeros((capacity, NAME_SIZE), np.uint8)
        self._controls = np.zeros((capacity, CONTROL_SIZE), np.uint8)
        self._iovecs = np.zeros(capacity, IOVEC)
        self._headers = np.zeros(capacity, MMSGHDR)
        self._iov_lengths = self._iovecs["length"]
        slots = np.arange(capacity, dtype=np.uint64)
        self._headers["iov"] = self._iovecs.ctypes.data + slots * np.uint64(IOVEC.itemsize)
        self._headers["iovlen"] = 1
        self._headers_address = self._headers.ctypes.data
        self._lengths = np.zeros(capacity, np.int32)
        self._length_pointers: list[Any] = []
        self._pointers: list[Any] = []
        self._unsendable: list[int] = []
        self._first = 0
        self._size = 0
        self._make_rows(0)

    def _make_rows(self, payload: int) -> None:
        """(Re)allocate the rows for payloads of up to `payload` bytes and some growth."""
        size = HEADER + payload + payload // 4 + MAX_TAG
        self._stride = -(-max(size, 256) // 64) * 64
        self._rows = np.zeros((self.capacity, self._stride), np.uint8)
        self._words = self._rows[:, :HEADER].view(">u4")
        base = self._rows.ctypes.data
        self._iovecs["base"] = base + np.arange(self.capacity, dtype=np.uint64) * np.uint64(self._stride)
        self._pointers = [pointer(base + n * self._stride) for n in range(len(self._pointers))]

    # Slots

    def place(self, state: SlotState) -> int:
        """Put a listener into the next slot and return its number. The block must not be full."""
        slot = self.count
        if slot >= self.capacity:
            raise ValueError("the block is full")
        self.count += 1
        while len(self._pointers) <= slot:
            number = len(self._pointers)
            self._pointers.append(pointer(self._rows.ctypes.data + number * self._stride))
            self._length_pointers.append(int_pointer(self._lengths.ctypes.data + number * 4))
        self._contexts.append(state.context)
        self._routes.append(state.route)
        self.replace(slot, state)
        return slot

    def replace(self, slot: int, state: SlotState) -> None:
        """Put a listener into a slot whose own has left."""
        self._contexts[slot] = state.context
        self._tag[slot] = state.tag
        self._first_word[slot] = _VERSION | state.payload_type << 16
        self.sequence[slot] = state.sequence
        self.ssrc[slot] = state.ssrc
        self.timestamp_offset[slot] = state.timestamp_offset
        self.packets[slot] = state.packets
        self.octets[slot] = state.octets
        self.dropped[slot] = state.dropped
        self.errors[slot] = state.errors
        self.set_route(slot, state.route)

    def state(self, slot: int) -> SlotState:
        """A listener's columns, to be placed elsewhere."""
        return SlotState(
            self._contexts[slot],
            int(self._tag[slot]),
            self._routes[slot],
            int(self._first_word[slot]) >> 16 & 0x7F,
            int(self.ssrc[slot]),
            int(self.sequence[slot]),
            int(self.timestamp_offset[slot]),
            int(self.packets[slot]),
            int(self.octets[slot]),
            int(self.dropped[slot]),
            int(self.errors[slot]),
        )

    def drop_last(self) -> None:
        """Give up the last slot."""
        self.count -= 1
        self._contexts.pop()
        self._routes.pop()

    def set_route(self, slot: int, route: Route) -> None:
        """Change where a slot's datagrams go to and leave from."""
        self._routes[slot] = route
        self._names[slot, : len(route.name)] = np.frombuffer(route.name, np.uint8)
        self._controls[slot, : len(route.control)] = np.frombuffer(route.control, np.uint8)
        header = self._headers[slot : slot + 1]
        header["name"] = self._names.ctypes.data + slot * NAME_SIZE if route.name else 0
        header["namelen"] = len(route.name)
        header["control"] = self._controls.ctypes.data + slot * CONTROL_SIZE if route.control else 0
        header["controllen"] = len(route.control)

    # One packet to all slots

    def fill(self, payload: npt.NDArray[np.uint8], timestamp: int) -> None:
        """Write every slot's header and payload; the sequence numbers step on.

        payload: uint8, at most `MAX_PAYLOAD` bytes. timestamp: media time mod 2³², before the offsets.
        """
        n, size = self.count, len(payload)
        if HEADER + size + MAX_TAG > self._stride:
            self._make_rows(size)
        words = self._words
        sequence = self.sequence[:n]
        np.bitwise_or(self._first_word[:n], sequence, out=words[:n, 0])
        np.add(self.timestamp_offset[:n], np.uint32(timestamp), out=words[:n, 1])
        words[:n, 2] = self.ssrc[:n]
        self._rows[:n, HEADER : HEADER + size] = payload
        self._lengths[:n] = HEADER + size
        sequence += np.uint32(1)
        sequence &= np.uint32(0xFFFF)
        self._size = size

    def protect(self) -> None:
        """Turn every slot's packet into SRTP, in place. What libsrtp refuses is never sent."""
        n = self.count
        statuses = list(map(PROTECT, self._contexts, self._pointers, self._length_pointers))
        self._unsendable = []
        if any(statuses):
            self._unsendable = [slot for slot, status in enumerate(statuses) if status]
            self.protect_failures += len(self._unsendable)
            # Nothing of it may leave or be kept: it can be plaintext.
            self._rows[self._unsendable] = 0
        self._iov_lengths[:n] = self._lengths[:n]

    def remember(self, depth: int) -> None:
        """Keep a copy of the protected packets; at most `depth` sends are kept."""
        n, width = self.count, HEADER + self._size + MAX_TAG
        buffer: npt.NDArray[np.uint8] | None = None
        while len(self.planes) >= depth:
            old = self.planes.popleft().rows.base
            buffer = old if isinstance(old, np.ndarray) else None
        if buffer is None or len(buffer) < n * width:
            # Room for a full block of somewhat longer packets; untouched memory costs nothing.
            buffer = np.empty(self.capacity * width * 5 // 4, np.uint8)
        rows = buffer[: n * width].reshape(n, width)
        rows[:] = self._rows[:n, :width]
        self.planes.append(Plane(rows, HEADER + self._size))

    def send(self, sock: socket.socket, patience: Patience, *, batched: bool = batch.HAVE_SENDMMSG) -> None:
        """Send every slot's datagram, without blocking for longer than `patience`; counts what happens."""
        n, size = self.count, self._size
        self.packets[:n] += 1
        self.octets[:n] += size
        for slot in self._unsendable:
            self._uncount(slot, slot + 1, self.errors)
        dropped_at = None
        for start, stop in self._runs():
            if batched:
                end, failed = batch.send_batch(sock.fileno(), self._headers_address, start, stop, patience)
            else:
                end, failed = batch.send_each(
                    sock, self._rows, self._lengths, self._routes, start, stop, patience
                )
            for slot in failed:
                self._uncount(slot, slot + 1, self.errors)
            if end < stop:
                self._uncount(end, stop, self.dropped)
                if dropped_at is None:
                    dropped_at = end
        if dropped_at is not None:
            self._first = dropped_at

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Ranges of slots to send, without those that could not be protected.

        They begin where a full socket last cut a packet short, so that no listener always loses.
        """
        first = self._first if self._first < self.count else 0
        edges = sorted({0, first, self.count, *self._unsendable, *(slot + 1 for slot in self._unsendable)})
        skipped = set(self._unsendable)
        runs = [(start, stop) for start, stop in itertools.pairwise(edges) if start not in skipped]
        yield from (run for run in runs if run[0] >= first)
        yield from (run for run in runs if run[0] < first)

    def _uncount(self, start: int, stop: int, column: npt.NDArray[np.int64]) -> None:
        self.packets[start:stop] -= 1
        self.octets[start:stop] -= self._size
        column[start:stop] += 1

    # History

    def recall(self, slot: int, age: int) -> bytes | None:
        """The protected packet that was sent `age` packets before the newest (0), if it is still kept."""
        if age >= len(self.planes):
            return None
        plane = self.planes[-1 - age]
        if slot >= len(plane.rows):
            return None
        packet = plane.rows[slot, : plane.unprotected + int(self._tag[slot])].tobytes()
        # A packet that could not be protected was blanked: it has no version.
        return packet if packet[0] else None

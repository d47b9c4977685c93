"""The memory that outgoing packets are made in: one row a listener, filled by columns.

A `SlotBlock` holds up to `BLOCK` listeners of one room, payload kind and socket. Sending a packet
is: `fill` (NumPy), `protect` (libsrtp, in place, or the multi-buffer library, from one payload into all rows), `send`
(sendmmsg on headers that were built once), and `remember` (a copy of the protected bytes, for NACK). All blocks take turns
on one `Bench`, whose rows therefore stay in the cache. Slots are dense: the owner moves the last one into a hole.
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
from rtcserver.broadcast.batch import IOVEC, MMSGHDR, SendBudget
from rtcserver.broadcast.bench import BLOCK, HEADER, Bench
from rtcserver.broadcast.burst import BurstColumns
from rtcserver.broadcast.session_key import SessionKey
from rtcserver.broadcast.srtp import MAX_TAG, PROTECT

MAX_PAYLOAD = 1276
"""Bytes of payload: the longest Opus packet of one frame (RFC 6716, section 3.4)."""
_VERSION = 0x8000
_EXTENDED = 1 << 28
"""The bit of a header's first word that says that an extension follows."""


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
    copied: int = 0
    """Which packets are sent a second time a little later: every one of so many; 0: none."""
    rollover: int = 0
    """How often sequence numbers have wrapped, where libsrtp does not know it."""
    key: SessionKey | None = None
    """What its packets are protected with in a block that does it in bursts."""


class SlotBlock:
    """Up to `BLOCK` listener slots. Single-threaded; `fill` to `remember` before another block's turn.

    key_length: of the AES-GCM keys of all its listeners, where they are protected in bursts; 0 for libsrtp.
    The columns `dropped` (refused by a full socket) and `errors` (refused because of the destination, or
    by libsrtp) are indexed by slot; only the first `count` entries mean something.
    """

    def __init__(self, bench: Bench, key_length: int = 0) -> None:
        self.count = 0
        self._burst = BurstColumns(key_length) if key_length else None
        self.dropped = np.zeros(BLOCK, np.int64)
        self.errors = np.zeros(BLOCK, np.int64)
        self.planes: deque[Plane] = deque()
        """The history, newest last. A slot is in as many of the newest as packets were sent since it came."""
        self.protect_failures = 0
        self._bench = bench
        # Everything that grows by the same amount in all slots is kept once, as a sum over the block, and
        # the columns hold each slot's difference to it: one addition fills all headers.
        self._sends = 0
        self._sent_octets = 0
        self._packets = np.zeros(BLOCK, np.int64)
        self._octets = np.zeros(BLOCK, np.int64)
        self._words = np.zeros((BLOCK, 3), np.uint32)
        """Version, payload type and sequence number less `_sends`; timestamp offset; SSRC."""
        self._start = np.zeros(BLOCK, np.uint32)
        """Version and payload type."""
        self._step = np.zeros(3, np.uint32)
        self._wraps_at = 1 << 62
        """The number of sends at which the next sequence number wraps into the bits above it."""
        self._tag = np.zeros(BLOCK, np.int32)
        self._copied = np.zeros(BLOCK, np.int64)
        self._since = np.zeros(BLOCK, np.int64)
        """How many packets had been sent when the slot was taken."""
        self.repeats = False
        """Whether packets of any slot are to be sent a second time."""
        self._contexts: list[Any] = []
        self._routes: list[Route] = []
        self._names = np.zeros((BLOCK, NAME_SIZE), np.uint8)
        self._controls = np.zeros((BLOCK, CONTROL_SIZE), np.uint8)
        self._headers = np.zeros(BLOCK, MMSGHDR)
        slots = np.arange(BLOCK, dtype=np.uint64)
        self._headers["iov"] = bench.iovecs.ctypes.data + slots * np.uint64(IOVEC.itemsize)
        self._headers["iovlen"] = 1
        self._headers_address = self._headers.ctypes.data
        self._unsendable: list[int] = []
        self._first = 0
        self._size = self._payload = 0

    @property
    def full(self) -> bool:
        """Whether there is no slot left."""
        return self.count == BLOCK

    # Slots

    def place(self, state: SlotState) -> int:
        """Put a listener into the next slot and return its number. The block must not be full."""
        slot = self.count
        if self.full:
            raise ValueError("the block is full")
        self.count += 1
        self._contexts.append(state.context)
        self._routes.append(state.route)
        self.replace(slot, state)
        return slot

    def replace(self, slot: int, state: SlotState) -> None:
        """Put a listener into a slot whose own has left."""
        if self._burst is not None:
            self._burst.release(slot, self._sends)
            index = state.rollover << 16 | state.sequence
            self._burst.take(slot, state.key, state.ssrc, index, self._sends)
        self._contexts[slot] = state.context
        self._tag[slot] = state.tag
        self.set_copied(slot, state.copied)
        self._since[slot] = self._sends
        self._start[slot] = _VERSION | state.payload_type
        first = (_VERSION | state.payload_type) << 16 | state.sequence
        self._words[slot] = (first - self._sends) & 0xFFFF_FFFF, state.timestamp_offset, state.ssrc
        self._wraps_at = min(self._wraps_at, self._sends + 0x10000 - state.sequence)
        self._packets[slot] = state.packets - self._sends
        self._octets[slot] = state.octets - self._sent_octets
        self.dropped[slot] = state.dropped
        self.errors[slot] = state.errors
        self.set_route(slot, state.route)

    def state(self, slot: int) -> SlotState:
        """A listener's columns, to be placed elsewhere."""
        burst = self._burst
        return SlotState(
            self._contexts[slot],
            int(self._tag[slot]),
            self._routes[slot],
            int(self._start[slot]) & 0x7F,
            int(self._words[slot, 2]),
            self.sequence(slot),
            int(self._words[slot, 1]),
            self.packets(slot),
            self.octets(slot),
            int(self.dropped[slot]),
            int(self.errors[slot]),
            int(self._copied[slot]),
            0 if burst is None else burst.index(slot, self._sends) >> 16,
            None if burst is None else burst.key(slot),
        )

    def set_copied(self, slot: int, every: int) -> None:
        """Which of a slot's packets are to be sent a second time: those whose sequence numbers `every` divides; 0: none."""
        self._copied[slot] = every
        self.repeats = bool(self._copied[: self.count].any())

    def sequence(self, slot: int) -> int:
        """The next packet's sequence number."""
        return (int(self._words[slot, 0]) + self._sends) & 0xFFFF

    def packets(self, slot: int) -> int:
        """Packets that left."""
        return int(self._packets[slot]) + self._sends

    def octets(self, slot: int) -> int:
        """Octets of payload in the packets that left, as sender reports want them."""
        return int(self._octets[slot]) + self._sent_octets

    def sums(self) -> tuple[int, int, int, int]:
        """Packets, octets, errors and drops of all slots."""
        n = self.count
        return (
            int(self._packets[:n].sum()) + n * self._sends,
            int(self._octets[:n].sum()) + n * self._sent_octets,
            int(self.errors[:n].sum()),
            int(self.dropped[:n].sum()),
        )

    def drop_last(self) -> None:
        """Give up the last slot."""
        self.set_copied(self.count - 1, 0)
        self.count -= 1
        if self._burst is not None:
            self._burst.release(self.count, self._sends)
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

    def fill(
        self, payload: npt.NDArray[np.uint8], timestamp: int, extension: npt.NDArray[np.uint8] | None = None
    ) -> None:
        """Write every slot's header and payload; the sequence numbers step on.

        payload: uint8, at most `MAX_PAYLOAD` bytes. timestamp: media time mod 2³², before the offsets. extension: a
        header extension (RFC 3550, section 5.3.1), the same for all, or None.
        """
        self._payload, first = len(payload), 0
        self._sent_octets += self._payload
        if extension is not None:
            payload, first = np.concatenate((extension, payload)), _EXTENDED
        n, size, bench = self.count, len(payload), self._bench
        bench.fit(size)
        if self._sends >= self._wraps_at:
            self._wrap()
        step = self._step
        step[0], step[1] = (self._sends + first) & 0xFFFF_FFFF, timestamp
        np.add(self._words[:n], step, out=bench.words[:n])
        self._size = size
        if self._burst is None:
            bench.rows[:n, HEADER : HEADER + size] = payload
            bench.lengths[:n] = HEADER + size
        else:
            bench.payload[: self._payload] = payload[size - self._payload :]
            if extension is not None:
                bench.rows[:n, HEADER : HEADER + len(extension)] = extension
        self._sends += 1

    def _wrap(self) -> None:
        """Take back the carries of sequence numbers that wrap now, and find out when the next ones do."""
        n = self.count
        sends = np.uint32(self._sends & 0xFFFF_FFFF)
        first = self._words[:n, 0] + sends
        first[first >> np.uint32(16) != self._start[:n]] -= np.uint32(0x10000)
        self._words[:n, 0] = first - sends
        sequence = first & np.uint32(0xFFFF)
        self._wraps_at = self._sends + 0x10000 - int(sequence.max(initial=0))

    def protect(self) -> None:
        """Turn every slot's packet into SRTP. What is refused is never sent."""
        n, bench = self.count, self._bench
        if self._burst is not None:
            header = HEADER + self._size - self._payload
            self._unsendable = self._burst.protect(bench, n, header, self._payload, self._sends)
            self.protect_failures += len(self._unsendable)
            return
        statuses = list(map(PROTECT, self._contexts, bench.pointers, bench.length_pointers))
        self._unsendable = []
        if any(statuses):
            self._unsendable = [slot for slot, status in enumerate(statuses) if status]
            self.protect_failures += len(self._unsendable)
        bench.iov_lengths[:n] = bench.lengths[:n]

    def remember(self, depth: int) -> None:
        """Keep a copy of the protected packets; at most `depth` sends are kept."""
        n, width = self.count, HEADER + self._size + MAX_TAG
        buffer: npt.NDArray[np.uint8] | None = None
        while len(self.planes) >= depth:
            old = self.planes.popleft().rows.base
            buffer = old if isinstance(old, np.ndarray) else None
        if buffer is None or len(buffer) < n * width:
            # Room for a full block of somewhat longer packets; untouched memory costs nothing.
            buffer = np.empty(BLOCK * width * 5 // 4, np.uint8)
        rows = buffer[: n * width].reshape(n, width)
        rows[:] = self._bench.rows[:n, :width]
        for slot in self._unsendable:
            # What could not be protected may be plaintext: it is never kept, and so never sent again.
            rows[slot] = 0
        self.planes.append(Plane(rows, HEADER + self._size))

    def send(self, sock: socket.socket, budget: SendBudget, *, batched: bool = batch.HAVE_SENDMMSG) -> None:
        """Send every slot's datagram, without blocking for longer than `budget`; counts what happens."""
        for slot in self._unsendable:
            self._uncount(slot, slot + 1, self.errors)
        dropped_at = None
        for start, stop in self._runs() if self._unsendable or self._first else ((0, self.count),):
            if batched:
                end, failed = batch.send_batch(sock.fileno(), self._headers_address, start, stop, budget)
            else:
                rows, lengths = self._bench.rows, self._bench.lengths
                end, failed = batch.send_each(sock, rows, lengths, self._routes, start, stop, budget)
            for slot in failed:
                self._uncount(slot, slot + 1, self.errors)
            if end < stop:
                self._uncount(end, stop, self.dropped)
                if dropped_at is None:
                    dropped_at = end
        if dropped_at is not None:
            self._first = dropped_at

    def repeat(
        self, age: int, sock: socket.socket, budget: SendBudget, *, batched: bool = batch.HAVE_SENDMMSG
    ) -> int:
        """Send the protected packets again that were sent `age` packets before the newest, to the slots that get those
        twice. Returns how many were sent. What cannot be is left out: the first one has been sent.
        """
        if age >= len(self.planes):
            return 0
        plane = self.planes[-1 - age]
        n = min(self.count, len(plane.rows))
        # Whoever came into a slot later is somebody else. A packet that could not be protected is blanked.
        there = (self._copied[:n] > 0) & (self._since[:n] < self._sends - age) & (plane.rows[:n, 0] != 0)
        slots = np.flatnonzero(there)
        sequences = (self._words[slots, 0].astype(np.int64) + self._sends - 1 - age) & 0xFFFF
        slots = slots[sequences % self._copied[slots] == 0]
        count = len(slots)
        if not count:
            return 0
        lengths = plane.unprotected + self._tag[slots]
        if batched:
            iovecs = np.zeros(count, IOVEC)
            width = np.uint64(plane.rows.strides[0])
            iovecs["base"] = np.uint64(plane.rows.ctypes.data) + slots.astype(np.uint64) * width
            iovecs["length"] = lengths
            headers = self._headers[slots]
            headers["iov"] = iovecs.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(
                IOVEC.itemsize
            )
            end, failed = batch.send_batch(sock.fileno(), headers.ctypes.data, 0, count, budget)
        else:
            routes = [self._routes[slot] for slot in slots]
            end, failed = batch.send_each(sock, plane.rows[slots], lengths, routes, 0, count, budget)
        return end - len(failed)

    def write(self) -> None:
        """Write every slot's packet on its own stream; counts those for which there is no room."""
        rows, lengths = self._bench.rows, self._bench.lengths
        for slot in range(self.count):
            if slot in self._unsendable:
                self._uncount(slot, slot + 1, self.errors)
                continue
            stream = self._routes[slot].stream
            if stream is None or not stream.send_media(rows[slot, : lengths[slot]].data):
                self._uncount(slot, slot + 1, self.dropped)

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
        self._packets[start:stop] -= 1
        self._octets[start:stop] -= self._payload
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
        # A packet that could not be protected is blanked: it has no version.
        return packet if packet[0] else None

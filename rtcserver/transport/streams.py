"""The TCP side of the media port: ICE-TCP passive candidates (RFC 6544), for listeners that no UDP reaches.

It owns the connections, from the moment that they are accepted, until they are closed::

    accepted ─ too many: refused ─► unbound ─ a check that passes ─► bound ─ nominated ─► selected
                                       │                              │
                   10 s, no STUN, 16 packets: closed      60 s of silence: closed; with its peer: closed

Each packet goes where a datagram goes (`MediaEndpoint.receive`), on a `Path` of its own with the number of its stream. The
server process reads all streams. It writes on one until the session on it is connected; then the broadcast process does
(`hand_over`), and what the server process has to say goes there. Loop-bound; nothing here waits.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from enum import IntEnum
from typing import Protocol

from rtcserver.clock import NS, monotonic_ns
from rtcserver.transport.address import Path
from rtcserver.transport.demux import DatagramKind, classify
from rtcserver.transport.frame_writer import FrameWriter, prepare
from rtcserver.transport.framing import Deframer
from rtcserver.transport.resolver import literal

UNBOUND_NS = 10 * NS
"""How long a connection may take until its first check has passed; and stay when its peer has forgotten it."""
UNBOUND_PACKETS = 16
"""Packets that a connection may send before a check of it has passed. An agent sends its first checks 50 ms apart."""
MAX_UNBOUND = 256
"""Connections of which no check has passed yet. When one more comes, the oldest goes of the client that has most of them."""
IDLE_NS = 60 * NS
"""How long a connection that no media takes may be silent; agents check the others each few seconds (RFC 7675)."""
PAUSE_NS = NS
"""How long a connection is not read whose peer asks for far more than it may; TCP holds the rest back."""
READ_BYTES = 2048
"""Bytes that are read of one connection before the others' turn."""
BACKLOG = 128
ACCEPTS = 16
"""Connections that are accepted before the event loop gets its turn."""

log = logging.getLogger(__name__)


class Standing(IntEnum):
    """What a path is to the peers of the port."""

    UNBOUND = 0
    BOUND = 1
    SELECTED = 2


class StreamUser(Protocol):
    """What the streams need of the endpoint."""

    def receive(self, data: bytes, path: Path, now_ns: int) -> None:
        """Take one packet. Must not raise."""

    def standing(self, path: Path) -> Standing:
        """What a path is now."""

    def lost(self, path: Path) -> None:
        """The stream of a path is closed."""


class StreamWriter(Protocol):
    """Another process that writes streams, as `rtcserver.broadcast.client.BroadcastClient` does. No call waits."""

    def add_stream(self, number: int, sock: socket.socket, rest: bytes, unsent_bytes: int) -> None:
        """Write on this stream from now on, `rest` first. `sock` stays the caller's, too."""

    def send_stream(self, number: int, packet: bytes) -> None:
        """Write one packet of ours."""

    def remove_stream(self, number: int) -> None:
        """Write no more, and close."""


class StreamDoor(Protocol):
    """Says whom connections are counted by, and whether one more may come."""

    def client(self, address: str) -> str:
        """What counts as one client."""

    def admits(self, present: int, present_there: int, address: str) -> bool:
        """Whether there is room for one more from `address`, whose client has `present_there`."""


class OpenDoor:
    """Every address is a client, and everybody may come."""

    def client(self, address: str) -> str:
        return address

    def admits(self, present: int, present_there: int, address: str) -> bool:
        return True


class _Stream:
    __slots__ = (
        "client",
        "deframer",
        "heard_ns",
        "packets",
        "path",
        "paused_ns",
        "sock",
        "taker",
        "writer",
        "writing",
    )

    def __init__(self, sock: socket.socket, path: Path, client: str, now_ns: int) -> None:
        self.sock = sock
        self.path = path
        self.client = client
        self.deframer = Deframer()
        self.writer = FrameWriter(sock)
        self.writing = False
        """Whether the loop waits for room."""
        self.taker: StreamWriter | None = None
        """Who writes; None is this process."""
        self.heard_ns = now_ns
        """When it last said something while it was bound, or was accepted."""
        self.packets = 0
        """Packets that came while it was not bound."""
        self.paused_ns = 0
        """Until when it is not read; 0 if it is."""


class StreamPort:
    """All TCP connections of the media port. counters: what was accepted, refused and closed, and why (``tcp_…``)."""

    def __init__(self, user: StreamUser, counters: Counter[str], door: StreamDoor | None = None) -> None:
        self._user = user
        self._counters = counters
        self._door = door or OpenDoor()
        self._streams: dict[int, _Stream] = {}
        self._unbound: dict[int, _Stream] = {}
        """Those of them that are not bound, the oldest first."""
        self._by_client: Counter[str] = Counter()
        self._unbound_by: Counter[str] = Counter()
        self._listening: list[socket.socket] = []
        self._next = 1

    def __len__(self) -> int:
        return len(self._streams)

    def listen(self, sockets: list[socket.socket]) -> None:
        """Accept on these sockets, which are bound; they are closed by `close`."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            sock.setblocking(False)
            sock.listen(BACKLOG)
            loop.add_reader(sock.fileno(), self._accept, sock)
        self._listening = sockets

    def adopt(self, sock: socket.socket, data: bytes = b"") -> None:
        """Take over a connection that somebody else has accepted, and what it has said so far."""
        try:
            address, *rest = sock.getpeername()
            local = sock.getsockname()[0].partition("%")[0]
            remote = (address.partition("%")[0], rest[0])
            prepare(sock)
        except OSError:
            self._counters["tcp_lost"] += 1
            sock.close()
            return
        client = self._door.client(remote[0])
        if not self._door.admits(len(self._streams), self._by_client[client], remote[0]):
            self._counters["tcp_refused"] += 1
            if not self._by_client[client]:
                del self._by_client[client]
            sock.close()
            return
        while len(self._unbound) >= MAX_UNBOUND:
            ((most, _),) = self._unbound_by.most_common(1)
            self._close(next(each for each in self._unbound.values() if each.client == most), "evicted")
        number, self._next = self._next, self._next + 1
        now = monotonic_ns()
        packed = literal(local)
        path = Path(0, b"" if packed is None else packed.packed, 0, remote, number)
        stream = self._streams[number] = _Stream(sock, path, client, now)
        self._by_client[client] += 1
        self._unbind(stream)
        self._counters["tcp_accepted"] += 1
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read, stream)
        if data:
            self._take(stream, data, now)

    def send(self, packet: bytes, path: Path) -> bool:
        """Write a packet of ours on a path's stream, or have it written by whoever writes there."""
        stream = self._streams.get(path.stream)
        if stream is None:
            self._counters["tcp_send_lost"] += 1
            return False
        if stream.taker is not None:
            stream.taker.send_stream(path.stream, packet)
        elif not stream.writer.send(packet):
            self._counters["tcp_send_full"] += 1
            return False
        elif stream.writer.waiting and not stream.writing:
            stream.writing = True
            asyncio.get_running_loop().add_writer(stream.sock.fileno(), self._flush, stream)
        self._counters["tcp_sent"] += 1
        return True

    def hand_over(self, path: Path, taker: StreamWriter, unsent_bytes: int) -> bool:
        """Let `taker` write on a path's stream from now on, and nobody else. False if the stream is closed.

        A stream is handed over once: whoever writes on it does so until it is closed.
        """
        stream = self._streams.get(path.stream)
        if stream is None:
            return False
        if stream.taker is None:
            self._stop_writing(stream)
            taker.add_stream(path.stream, stream.sock, stream.writer.take_rest(), unsent_bytes)
            stream.taker = taker
            self._counters["tcp_handed_over"] += 1
        return stream.taker is taker

    def pause(self, path: Path, now_ns: int) -> None:
        """Read nothing from a path's stream for `PAUSE_NS`."""
        stream = self._streams.get(path.stream)
        if stream is not None and not stream.paused_ns:
            self._counters["tcp_paused"] += 1
            stream.paused_ns = now_ns + PAUSE_NS
            asyncio.get_running_loop().remove_reader(stream.sock.fileno())

    def drop(self, path: Path) -> None:
        """Close a path's stream, whose peer has ended. Idempotent."""
        stream = self._streams.get(path.stream)
        if stream is not None:
            self._close(stream, "")

    def tick(self, now_ns: int) -> None:
        """Close those that have had their time, and read again those that were paused. To be called a few times a second."""
        for stream in list(self._streams.values()):
            if stream.paused_ns and now_ns >= stream.paused_ns:
                stream.paused_ns = 0
                asyncio.get_running_loop().add_reader(stream.sock.fileno(), self._read, stream)
            standing = self._user.standing(stream.path)
            if standing is Standing.UNBOUND and stream.path.stream not in self._unbound:
                # Its peer has given its path up for others.
                stream.heard_ns = now_ns
                self._unbind(stream)
            silent_ns = now_ns - stream.heard_ns
            if standing is Standing.UNBOUND and silent_ns > UNBOUND_NS:
                self._close(stream, "unbound")
            elif standing is Standing.BOUND and silent_ns > IDLE_NS:
                self._close(stream, "idle")

    def close(self) -> None:
        """Accept no more and close all. Idempotent."""
        for sock in self._listening:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        self._listening = []
        for stream in list(self._streams.values()):
            self._close(stream, "")

    # Reading

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, _address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # Out of descriptors, as a rule: what is open goes on, and ends.
                self._counters["tcp_accept_errors"] += 1
                log.debug("cannot take a media connection: %s", error.strerror)
                return
            self.adopt(sock)

    def _read(self, stream: _Stream) -> None:
        try:
            data = stream.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(stream, "reset")
            return
        if not data:
            self._close(stream, "ended")
            return
        self._take(stream, data, monotonic_ns())

    def _take(self, stream: _Stream, data: bytes, now_ns: int) -> None:
        path = stream.path
        for packet in stream.deframer.feed(data):
            self._counters["tcp_received"] += 1
            unbound = path.stream in self._unbound
            if unbound and classify(packet) is not DatagramKind.STUN:
                self._close(stream, "garbage")
                return
            self._user.receive(packet, path, now_ns)
            if path.stream not in self._streams:
                return
            if self._user.standing(path) is not Standing.UNBOUND:
                stream.heard_ns = now_ns
                if unbound:
                    self._bound(stream)
                continue
            stream.packets += 1
            if stream.packets > UNBOUND_PACKETS:
                self._close(stream, "strange")
                return
        if stream.deframer.broken:
            self._close(stream, "overlong")

    def _unbind(self, stream: _Stream) -> None:
        stream.packets = 0
        self._unbound[stream.path.stream] = stream
        self._unbound_by[stream.client] += 1

    def _bound(self, stream: _Stream) -> None:
        if self._unbound.pop(stream.path.stream, None) is not None:
            self._unbound_by[stream.client] -= 1
            if not self._unbound_by[stream.client]:
                del self._unbound_by[stream.client]

    # Writing and closing

    def _flush(self, stream: _Stream) -> None:
        if stream.writer.flush() or stream.writer.broken:
            self._stop_writing(stream)

    def _stop_writing(self, stream: _Stream) -> None:
        if stream.writing:
            stream.writing = False
            asyncio.get_running_loop().remove_writer(stream.sock.fileno())

    def _close(self, stream: _Stream, why: str) -> None:
        """Close a stream; why, for the counters."""
        if self._streams.pop(stream.path.stream, None) is None:
            return
        self._bound(stream)
        self._by_client[stream.client] -= 1
        if not self._by_client[stream.client]:
            del self._by_client[stream.client]
        if why:
            self._counters[f"tcp_{why}"] += 1
        self._stop_writing(stream)
        asyncio.get_running_loop().remove_reader(stream.sock.fileno())
        if stream.taker is not None:
            stream.taker.remove_stream(stream.path.stream)
        stream.writer.close()
        self._user.lost(stream.path)

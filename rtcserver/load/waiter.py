"""A load listener that sleeps until its next packet, in a thread of its own.

Thousands of listeners on one machine are thousands of sleepers, and waking each is a part of what a
packet costs its sender over loopback. These threads are woken as any others, but stay inside one system
call for half a second of packets, so that they cost little themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

from rtcserver.load.drain import Drain
from rtcserver.load.stream import Stream

if TYPE_CHECKING:
    from rtcserver.load.peer import LoadPeer

STACK_BYTES = 128 * 1024
SLOTS = 24
"""Packets that come before the thread looks at them: about half a second's."""
SLOT_BYTES = 1536
TIMEOUT_S = 1
"""Without a packet for so long, the thread looks at what it has."""


class Waiter:
    """Counts one listener's packets; the other datagrams go to the event loop. Ends with the socket.

    latest: the newest RTP packet, if captured.
    """

    def __init__(self, peer: LoadPeer, loop: asyncio.AbstractEventLoop, *, capture: bool) -> None:
        self.latest = b""
        self._peer = peer
        self._loop = loop
        self._capture = capture
        self._drain = Drain(slots=SLOTS, slot_bytes=SLOT_BYTES, wait=True)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to wait. The socket becomes a blocking one."""
        sock = self._peer.sock
        assert sock is not None
        sock.setblocking(True)
        # A struct timeval, of 64-bit Linux.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", TIMEOUT_S, 0))
        previous = threading.stack_size(STACK_BYTES)
        threading.Thread(target=self._run, args=(sock,), daemon=True).start()
        threading.stack_size(previous)

    @property
    def strangers(self) -> int:
        """Datagrams from another port than the server's."""
        return self._drain.strangers

    def stream(self) -> Stream:
        """The counts, with what has come since the thread last looked."""
        with self._lock:
            return self._drain.underway(self._peer.port, self._peer.stream)

    def _run(self, sock: socket.socket) -> None:
        peer = self._peer
        while peer.sock is not None and sock.fileno() >= 0:
            n = self._drain.receive(sock)
            if not n or peer.sock is None:
                continue
            with self._lock:
                batch, others = self._drain.sort(n, peer.port, peer.stream)
                if batch is not None:
                    if peer.srtp is not None:
                        peer.verify(batch.rows[0, : batch.lengths[0]].tobytes())
                    if self._capture:
                        self.latest = batch.rows[-1, : batch.lengths[-1]].tobytes()
                self._drain.clear()
            with contextlib.suppress(RuntimeError):
                for datagram in others:
                    self._loop.call_soon_threadsafe(peer.take, datagram)

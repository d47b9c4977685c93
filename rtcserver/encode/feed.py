"""The one reader of a feed: records in from the socket, packets out, damage and lateness counted.

Every loop that reads a room's feed reads it through `FeedReader`: the broadcast process polls it, the server's
event loop watches it (`rtcserver.encode.subscription`), and a thread or a process of its own may do either.
The module imports neither asyncio nor NumPy.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from collections.abc import Collection

from rtcserver.clock import monotonic_ns
from rtcserver.encode.packet import FEED_VERSION, KINDS, MAX_RECORD, EncodedPacket

EXPIRED_NS = 120_000_000
"""Age at which a packet helps no listener any more: its reader was held up, or cannot keep up. What is newer is
still worth sending, so that an overload costs gaps and not ever more delay."""
MAX_DRAIN = 4096
"""Records that one `FeedReader.read` or `FeedReader.discard` throws away at most."""
_DONTWAIT = socket.MSG_DONTWAIT


class FeedReader:
    """Reads one feed without ever waiting. Not thread-safe; owns the socket from now on.

    kinds, streams: those that `read` returns; records of other kinds and streams are skipped.
    expires_ns: packets whose `captured_ns` is older than this when they are read are dropped and counted;
    None to keep all.

    ended: the last writer has closed the feed, and nothing will ever come again. read_ns: monotonic time at
    which the last packet was read. expired, invalid: records dropped as too old, or because they are none of
    ours.
    """

    def __init__(
        self,
        feed: socket.socket,
        kinds: Collection[int] = KINDS,
        *,
        expires_ns: int | None = None,
        streams: Collection[int] = (0,),
    ) -> None:
        feed.setblocking(False)
        self._feed = feed
        self._recv = feed.recv
        self._skipped = tuple(bytes((FEED_VERSION, kind, 0, 0)) for kind in KINDS if kind not in kinds)
        self._streams = frozenset(streams)
        self._expires_ns = expires_ns if expires_ns is not None else sys.maxsize
        self.ended = False
        self.read_ns = 0
        self.expired = 0
        self.invalid = 0

    def fileno(self) -> int:
        """The socket's descriptor, to wait for; -1 after `close`."""
        return self._feed.fileno()

    def read(self) -> EncodedPacket | None:
        """The next packet, or None if there is none at the moment; then `ended` says whether to go on."""
        for _ in range(MAX_DRAIN):
            try:
                record = self._recv(MAX_RECORD + 1, _DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:
                self.ended = True
                return None
            # Far cheaper than parsing what nobody wants: Studio's blocks come hundreds of times a second.
            if self._skipped and record[:4] in self._skipped:
                continue
            try:
                packet = EncodedPacket.unpack(record)
            except ValueError:
                if not record and self._hung_up():
                    self.ended = True
                    return None
                self.invalid += 1
                continue
            if packet.stream not in self._streams:
                continue
            self.read_ns = now = monotonic_ns()
            if now - packet.captured_ns > self._expires_ns:
                self.expired += 1
                continue
            return packet
        return None

    def discard(self) -> None:
        """Throw away what waits."""
        with contextlib.suppress(OSError):
            for _ in range(MAX_DRAIN):
                if not self._recv(MAX_RECORD, _DONTWAIT):
                    return

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self._feed.close()

    def _hung_up(self) -> bool:
        """A SEQPACKET socket reads b"" both for an empty record and at its end; poll tells which."""
        poll = select.poll()
        poll.register(self._feed.fileno(), getattr(select, "POLLRDHUP", select.POLLHUP))
        return bool(poll.poll(0))

"""Studio over a DataChannel, for browsers that hand no RTP payloads to the page. PROTOCOL.md, "Studio channel".

SCTP runs in the server process, and so does this, on its event loop: a listener costs several times what
one in RTP does. The feed is open only while somebody listens this way. What a listener does not take in
time is skipped and never kept; one that takes hardly anything for seconds is given up.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiortc import RTCDataChannel

from rtcserver.encode.feed import EXPIRED_NS, FeedReader
from rtcserver.encode.packet import KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import Redundancy
from rtcserver.encode.subscription import FeedWatch
from rtcserver.room.studio import Patience

MOST_WAITING = 24 * 1024
"""Bytes waiting in a session's association beyond which blocks are skipped; notes still find room there."""
_STAMP = struct.Struct("<I")


class FeedSource(Protocol):
    """The room's instrument, as `rtcserver.instrument.supervisor.InstrumentSupervisor` is."""

    def open_feed(self, *, packets: bool) -> socket.socket:
        """The reading half of a new feed. packets: whether the room's own packets are made for it."""

    def close_feed(self, feed: socket.socket) -> None:
        """Close both halves."""


@dataclass(slots=True, eq=False)
class SampleListener:
    """One session's ``studio`` channel.

    rtp_offset: added to media time for the messages' stamp. waiting: bytes that its association holds.
    give_up: ends the session.
    """

    channel: RTCDataChannel
    rtp_offset: int
    waiting: Callable[[], int]
    give_up: Callable[[], None]
    twice: bool = False
    patience: Patience = field(default_factory=Patience)


class Samples:
    """One room's listeners by DataChannel, and their feed. Loop-bound."""

    def __init__(self, source: FeedSource) -> None:
        self._counts: Counter[str] = Counter()
        self._source = source
        self._listeners: list[SampleListener] = []
        self._feed: FeedWatch | None = None
        self._sock: socket.socket | None = None
        self._redundancy = Redundancy()
        self._last: EncodedPacket | None = None

    @property
    def listening(self) -> int:
        """Listeners now."""
        return len(self._listeners)

    @property
    def counters(self) -> Counter[str]:
        """Messages ``sent`` and ``skipped``, blocks that were read too late (``expired``), records that were none
        of ours (``invalid``), and listeners that were given up (``gave_up``)."""
        counted = Counter(self._counts)
        if self._feed is not None:
            counted.update(expired=self._feed.reader.expired, invalid=self._feed.reader.invalid)
        return +counted

    def add(self, listener: SampleListener) -> None:
        """Send it every block from now on. No effect on one that is here."""
        if listener in self._listeners:
            return
        self._listeners.append(listener)
        if self._feed is None:
            self._sock = self._source.open_feed(packets=False)
            reader = FeedReader(self._sock, (KIND_PCM,), expires_ns=EXPIRED_NS)
            # The feed ends when the instrument is closed for good, which is when the server shuts down.
            self._feed = FeedWatch(reader, self.take, self._close_feed)
            self._feed.start()

    def remove(self, listener: SampleListener) -> None:
        """Send it nothing any more. Idempotent."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners:
            self._close_feed()

    def close(self) -> None:
        """Forget everyone, close the feed. Idempotent."""
        self._listeners.clear()
        self._close_feed()

    def take(self, packet: EncodedPacket, now_ns: int) -> None:
        """Hand on one block of PCM."""
        plain = [(packet.media_time, packet.payload)]
        twice = self._repeated(packet) if any(one.twice for one in self._listeners) else plain
        for listener in tuple(self._listeners):
            self._send(listener, twice if listener.twice else plain, now_ns)

    def _repeated(self, packet: EncodedPacket) -> list[tuple[int, bytes]]:
        """``(media time, payload)`` of what is sent to those that get each block twice."""
        before, self._last = self._last, packet
        first, *repeats = self._redundancy.push(packet.payload)
        found = [(packet.media_time, first)]
        if before is not None:
            found += [(before.media_time, repeat) for repeat in repeats]
        return found

    def _send(self, listener: SampleListener, messages: list[tuple[int, bytes]], now_ns: int) -> None:
        channel = listener.channel
        for media_time, payload in messages:
            fits = channel.readyState == "open" and listener.waiting() + len(payload) <= MOST_WAITING
            if fits:
                channel.send(_STAMP.pack((media_time + listener.rtp_offset) & 0xFFFFFFFF) + payload)
                self._counts["sent"] += 1
            else:
                self._counts["skipped"] += 1
            if listener.patience.offered(fits, now_ns):
                self._counts["gave_up"] += 1
                listener.give_up()
                self.remove(listener)
                return

    def _close_feed(self) -> None:
        feed, self._feed = self._feed, None
        self._last = None
        if feed is not None:
            feed.close()
            self._counts.update(expired=feed.reader.expired, invalid=feed.reader.invalid)
            if self._sock is not None:
                self._source.close_feed(self._sock)

"""PacketHub: reads one room's feed in the server process and hands each packet to all its tracks.

While the instrument delivers nothing, the hub goes on with encoded silence (`Continuity`), so that
the listeners' timeline never stops.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode import codec
from rtcserver.encode.continuity import Continuity
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_CODED, EncodedPacket
from rtcserver.encode.subscription import FeedWatch
from rtcserver.encode.timeline import Anchor
from rtcserver.errors import ProcessError
from rtcserver.stock.track import DEFAULT_QUEUE_PACKETS, MontageTrack

IDLE_NS = NS // 20
"""How often to look whether silence is due while the timeline has not begun."""


class PacketHub:
    """Fans a feed (see `rtcserver.encode.packet`) out to any number of tracks.

    Owns the reading half of the feed from `start` on and closes it in `close` or at its end. A feed
    ends when its last writer closes: then all tracks stop, as nothing will ever come again, and
    `on_end` is called. A silent instrument is no end; its silence arrives encoded. Loop-bound.
    """

    def __init__(
        self,
        feed: socket.socket,
        *,
        frame_samples: int = 480,
        origin: Anchor | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._feed = FeedWatch(FeedReader(feed, (KIND_CODED,)), self._take, self._end)
        self._on_end = on_end
        self._continuity = Continuity(codec.DEFAULT, frame_samples)
        self._origin = origin
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tracks: set[MontageTrack] = set()
        self._dropped_by_gone = 0
        self._next_media_time: int | None = None
        self.ended = False
        """Whether the feed is over, by its end or by `close`."""
        self.packets = 0
        """Packets read from the feed."""
        self.gaps = 0
        """Packets that did not begin where the one before ended: loss between encoder and hub."""
        self.last: EncodedPacket | None = None
        """The newest packet."""

    def start(self) -> None:
        """Begin to read, on the running event loop."""
        if self._loop is None and not self.ended:
            self._loop = asyncio.get_running_loop()
            self._feed.start()
            if self._origin is not None:
                self._continuity.start(self._origin.media_time, self._origin.at_ns)
            self._arm()

    def subscribe(self, *, queue_packets: int = DEFAULT_QUEUE_PACKETS) -> MontageTrack:
        """A new track that gets every packet from now on until it stops.

        Raises `ProcessError` if the feed is over.
        """
        if self.ended:
            raise ProcessError("The instrument's feed has ended; the server is shutting down.")
        track = MontageTrack(self._forget, queue_packets=queue_packets)
        self._tracks.add(track)
        return track

    @property
    def subscribers(self) -> int:
        """Number of live tracks."""
        return len(self._tracks)

    @property
    def dropped(self) -> int:
        """Packets dropped by all tracks, gone ones included."""
        return self._dropped_by_gone + sum(track.dropped for track in self._tracks)

    @property
    def malformed(self) -> int:
        """Records that were none of ours, dropped."""
        return self._feed.reader.invalid

    def counters(self) -> dict[str, int]:
        """For health reports."""
        return {
            "packets": self.packets,
            "malformed": self.malformed,
            "gaps": self.gaps,
            "dropped": self.dropped,
            "silent": self._continuity.silent,
            "stale": self._continuity.stale,
            "subscribers": self.subscribers,
        }

    def close(self) -> None:
        """Stop reading, stop all tracks, close the feed. Idempotent."""
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._feed.close()
        for track in tuple(self._tracks):
            track.stop()

    def _take(self, packet: EncodedPacket, now_ns: int) -> None:
        self.packets += 1
        self._emit(self._continuity.push(packet, now_ns))

    def _emit(self, packets: list[EncodedPacket]) -> None:
        for packet in packets:
            if self._next_media_time is not None and packet.media_time != self._next_media_time:
                self.gaps += 1
            self._next_media_time = packet.media_time + packet.duration
            self.last = packet
            for track in tuple(self._tracks):
                track.push(packet)

    def _arm(self) -> None:
        """Wake up when silence would be due. Packets that arrive meanwhile only move the due time."""
        due = self._continuity.due_ns()
        if self._loop is None or self.ended:
            return
        wait_ns = IDLE_NS if due is None else max(due - monotonic_ns(), 0)
        self._timer = self._loop.call_later(wait_ns / NS, self._on_timer)

    def _on_timer(self) -> None:
        self._emit(self._continuity.poll(monotonic_ns()))
        self._arm()

    def _end(self) -> None:
        self.close()
        if self._on_end is not None:
            self._on_end()

    def _forget(self, track: MontageTrack) -> None:
        self._tracks.discard(track)
        self._dropped_by_gone += track.dropped

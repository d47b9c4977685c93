"""A room's sound for tests: feeds that tones are written to."""

from __future__ import annotations

import socket

from rtcserver.clock import monotonic_ns
from rtcserver.encode.timeline import Anchor
from tests.peer.tones import FRAME, ToneFeed


class Tones:
    """A `rtcserver.ogg.stream.Sound`: each feed gets a tone a side from a media time of its own while it `plays`."""

    def __init__(self, plays: bool = True) -> None:
        self.anchor = Anchor(48_000, monotonic_ns())
        self.plays = plays
        self.opened = 0
        self._feeds: dict[socket.socket, tuple[socket.socket, ToneFeed | None]] = {}

    @property
    def open(self) -> int:
        return len(self._feeds)

    def open_feed(self, *, packets: bool = True, blocks: bool = False) -> socket.socket:
        reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = (monotonic_ns() - self.anchor.at_ns) * 48 // 1_000_000 // FRAME * FRAME
        feed = ToneFeed(writing, 48_000 + passed) if self.plays else None
        if feed is not None:
            feed.__enter__()
        self._feeds[reading] = writing, feed
        self.opened += 1
        return reading

    def close_feed(self, feed: socket.socket) -> None:
        feed.close()
        writing, tone = self._feeds.pop(feed)
        if tone is not None:
            tone.__exit__()
        writing.close()

    def die(self) -> None:
        """The device is gone: nothing comes any more."""
        for _, tone in self._feeds.values():
            if tone is not None:
                tone.__exit__()

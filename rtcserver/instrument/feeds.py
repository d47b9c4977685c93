"""The writing halves of a room's feeds in the instrument process."""

from __future__ import annotations

import socket

_NO_WAIT = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class Feeds:
    """Hands each record to every feed, and never waits for one. `dropped`: records that found a full socket."""

    def __init__(self) -> None:
        self.dropped = 0
        self._feeds: list[socket.socket] = []

    def add(self, fd: int) -> None:
        """A feed's writing half, which is this object's from now on."""
        self._feeds.append(socket.socket(fileno=fd))

    def deliver(self, record: bytes) -> None:
        """Write a record (`rtcserver.encode.packet`). A feed whose reader has gone is closed."""
        gone = []
        for feed in self._feeds:
            try:
                feed.send(record, _NO_WAIT)
            except BlockingIOError:
                self.dropped += 1
            except OSError:
                gone.append(feed)
        for feed in gone:
            self._feeds.remove(feed)
            feed.close()

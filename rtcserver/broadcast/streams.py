"""TCP streams that the broadcast process writes on: for listeners that no UDP reaches.

A stream comes here once DTLS is done, together with what the server process had not written yet, and from then on nobody
else writes on it: the server's own packets (answers to checks, DTLS) come as messages. Nothing here waits.
"""

from __future__ import annotations

import socket

from rtcserver.broadcast.address import Route
from rtcserver.clock import NS
from rtcserver.transport.frame_writer import FrameWriter

STALLED_NS = 20 * NS
"""How long a stream may take nothing of what is to be written, until it is closed: its other end does not read."""
STREAM_LANE = -1
"""Stands in the place of a UDP socket's index for listeners that have a stream each."""


class Streams:
    """All of them, by the number that the server process gave each. Single-threaded."""

    def __init__(self) -> None:
        self._writers: dict[int, FrameWriter] = {}
        self._stalled: dict[int, tuple[int, int]] = {}
        """Of those that take nothing: how many bytes they had taken, and since when."""
        self.overflows = 0
        """Packets of the server's that found no room."""
        self.stalled = 0
        """Streams that were closed as they took nothing."""

    def __len__(self) -> int:
        return len(self._writers)

    def add(self, number: int, sock: socket.socket, rest: bytes, unsent_bytes: int) -> None:
        """Write on a stream from now on; the socket is closed by `remove`. Raises ValueError if it is there already."""
        if number in self._writers:
            raise ValueError(f"stream {number} is already there")
        writer = self._writers[number] = FrameWriter(sock, rest, unsent_bytes)
        writer.flush()

    def remove(self, number: int) -> bool:
        """Write no more, and close. False if there is no such stream."""
        writer = self._writers.pop(number, None)
        self._stalled.pop(number, None)
        if writer is None:
            return False
        writer.close()
        return True

    def send(self, number: int, packet: bytes) -> bool:
        """Write one of the server's own packets. False if there is no such stream."""
        writer = self._writers.get(number)
        if writer is None:
            return False
        self.overflows += not writer.send(packet)
        return True

    def counted(self) -> dict[str, int]:
        """What `rtcserver.broadcast.listener.Totals` says of streams."""
        return {
            "streams": len(self._writers),
            "stream_overflows": self.overflows,
            "streams_stalled": self.stalled,
        }

    def flush(self, now_ns: int) -> None:
        """Write what waits, where there is room now, and end those that have taken nothing for `STALLED_NS`.

        To be called a few times a second. Of a stream that is ended the server process hears by reading from it.
        """
        for number, writer in self._writers.items():
            if writer.broken or (writer.flush() and not writer.is_behind()):
                self._stalled.pop(number, None)
                continue
            taken, since_ns = self._stalled.setdefault(number, (writer.taken, now_ns))
            if writer.taken != taken:
                self._stalled[number] = (writer.taken, now_ns)
            elif now_ns - since_ns > STALLED_NS:
                self.stalled += 1
                writer.shut_down()

    def route(self, number: int) -> Route:
        """The way of a listener's packets. Raises ValueError if there is no such stream."""
        writer = self._writers.get(number)
        if writer is None:
            raise ValueError(f"there is no stream {number}")
        return Route(b"", b"", None, [], writer)

"""Messages to a child process that its socket has no room for yet: in order, bounded, with their descriptors."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from rtcserver.clock import monotonic_ns


class Outbox:
    """The writing side of one control socket, on the running event loop. Nothing here waits.

    sock: non-blocking; stays the caller's. limit: messages kept while the child does not read; 0 keeps none.
    on_broken: called when the socket cannot be written to any more; what is posted from then on is lost.
    """

    def __init__(self, sock: socket.socket, limit: int, on_broken: Callable[[], None]) -> None:
        self._sock = sock
        self._limit = limit
        self._on_broken = on_broken
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._since_ns = 0
        self._watching = False
        self._broken = False

    def post(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        """Send a message, now or as soon as the child reads. False if there is no room: it is not sent.

        fds: descriptors that travel with it (SCM_RIGHTS). They stay the caller's, who may close them at once.
        """
        if self._broken:
            return False
        if not self._waiting and self._write(data, fds):
            return not self._broken
        if len(self._waiting) >= self._limit:
            return False
        if not self._waiting:
            self._since_ns = monotonic_ns()
        self._waiting.append((data, [os.dup(fd) for fd in fds]))
        if not self._watching:
            self._watching = True
            asyncio.get_running_loop().add_writer(self._sock.fileno(), self._flush)
        return True

    @property
    def waiting_ns(self) -> int:
        """For how long there have been messages that wait for the child to read; 0 if none do."""
        return monotonic_ns() - self._since_ns if self._waiting else 0

    def close(self) -> None:
        """Forget what waits. Before the socket is closed; idempotent."""
        self._broken = True
        if self._watching:
            self._watching = False
            asyncio.get_running_loop().remove_writer(self._sock.fileno())
        while self._waiting:
            _close(self._waiting.popleft()[1])

    def _write(self, data: bytes, fds: Sequence[int]) -> bool:
        """False if the message must wait; True if it has left or never will."""
        try:
            if fds:
                socket.send_fds(self._sock, [data], list(fds))
            else:
                self._sock.send(data)
        except BlockingIOError:
            return False
        except OSError:
            self._broken = True
            self._on_broken()
        return True

    def _flush(self) -> None:
        while self._waiting:
            data, fds = self._waiting[0]
            if not self._write(data, fds):
                return
            self._waiting.popleft()
            _close(fds)
            if self._broken:
                self.close()
                return
        self._watching = False
        asyncio.get_running_loop().remove_writer(self._sock.fileno())


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)

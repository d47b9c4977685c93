"""The broadcast process's part in checks for consent: when it reads them, and what it tells the server of them."""

from __future__ import annotations

import socket
from collections.abc import Callable

from rtcserver.broadcast.check_messages import CheckMessage, ChecksAnswered, ChecksOverflowed, StrayCheck
from rtcserver.broadcast.checks import CheckDesk, CheckSocket

PACE_NS = 5_000_000
"""Between two looks at the socket, at least."""
MAX_ANSWERED = 256
"""Peers in one `ChecksAnswered`."""
_NEVER = 1 << 62


class CheckReader:
    """Reads the socket for checks, once there is one. tell: takes messages for the server.

    desk: which checks are known. due_ns: when the socket is to be read next, behind the packets that are sent then.
    """

    def __init__(self, tell: Callable[[CheckMessage], None]) -> None:
        self.desk = CheckDesk()
        self.due_ns = _NEVER
        self._tell = tell
        self._socket: CheckSocket | None = None

    def use(self, sock: socket.socket) -> None:
        """Read this socket from now on, and own it."""
        if self._socket is not None:
            self._socket.close()
        self._socket = CheckSocket(sock)
        self.due_ns = 0

    def read(self, now_ns: int) -> None:
        """Answer what is known, and tell of the rest."""
        if self._socket is None:
            return
        self.due_ns = now_ns + PACE_NS
        for data, (host, port), local in self._socket.read(self.desk, now_ns):
            self._tell(StrayCheck(data.hex(), host, port, local.hex()))
        if self._socket.overflowed:
            self._socket.overflowed = False
            self._tell(ChecksOverflowed())

    def tell_answered(self) -> None:
        """Tell which checks were answered since the last call."""
        rows, over, unsent = self.desk.take(), self.desk.over, 0
        self.desk.over = 0
        if self._socket is not None:
            unsent, self._socket.unsent = self._socket.unsent, 0
        if over or unsent:
            self._tell(ChecksAnswered((), over, unsent))
        for at in range(0, len(rows), MAX_ANSWERED):
            self._tell(ChecksAnswered.of(rows[at : at + MAX_ANSWERED]))

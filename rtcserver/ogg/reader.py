"""One reader of a room's Ogg stream: what waits for its connection, bounded in time. Loop-bound.

Pages are shared by all readers. They are written on the connection while it takes them at once; when it does not, they wait
here, as references. A reader whose oldest page has waited for too long is too slow for the sound, and is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Mapping

from rtcserver.access.door import Grant
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError
from rtcserver.peer.base import SessionInfo

SEND_BUFFER = 64 * 1024
"""Bytes that the kernel keeps of a connection (Linux doubles it, for its own needs); by itself it keeps minutes of sound."""
SLOW, STOPPED, FAILED = "slow", "stopped", "failed"
"""Reasons for its end: it takes less than the sound is, the server stops, and the stream cannot be made."""


class Reader:
    """A `rtcserver.peer.base.PeerSession` without WebRTC: a listener by HTTP.

    backlog_ns: how long a page may wait. on_end: told once, when it is over for whatever reason.

    over: done with the reason when it is: ``slow``, ``closed`` (by its client), ``stopped`` (the server), ``failed``, or the
    reason that `end` was given. bytes: written so far, HTTP's framing included.
    """

    answer = ""
    etag = ""
    headers: Mapping[str, str] = {}

    def __init__(
        self,
        session_id: str,
        room: str,
        grant: Grant,
        *,
        address: str = "",
        user_agent: str = "",
        backlog_ns: int,
        on_end: Callable[[Reader, str], None],
    ) -> None:
        self.id = session_id
        self.room = room
        self.grant = grant
        self.address = address
        self.bytes = 0
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._user_agent = user_agent
        self._backlog_ns = backlog_ns
        self._on_end = on_end
        self._began_ns = monotonic_ns()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._transport: asyncio.Transport | None = None
        self._chunked = False

    def begin(self, transport: asyncio.Transport, chunked: bool) -> None:
        """Write on this connection from now on. chunked: in HTTP's chunks (RFC 9112, section 7.1)."""
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._transport, self._chunked = transport, chunked

    @property
    def begun(self) -> bool:
        """Whether it takes pages."""
        return self._transport is not None

    @property
    def waiting(self) -> int:
        """Bytes that wait here."""
        return sum(len(data) for data, _ in self._waiting)

    def give(self, data: bytes, chunk: bytes, now_ns: int) -> None:
        """Write pages, or keep them while the connection takes none. chunk: the same as a chunk of HTTP."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._chunked:
            data = chunk
        if not transport.get_write_buffer_size():
            if self._waiting:
                data = b"".join((*(kept for kept, _ in self._waiting), data))
                self._waiting.clear()
            transport.write(data)
            self.bytes += len(data)
            return
        self._waiting.append((data, now_ns))
        if now_ns - self._waiting[0][1] > self._backlog_ns:
            self.end(SLOW)

    def info(self) -> SessionInfo:
        return SessionInfo(
            self.id,
            "playing" if self.begun else "connecting",
            (monotonic_ns() - self._began_ns) / NS,
            {"bytes": self.bytes, "waiting_bytes": self.waiting},
            {"mode": "live", "user_agent": self._user_agent, "path": "http"},
            self.address,
        )

    async def patch(self, sdpfrag: str) -> str | None:
        raise PeerError(422, "no_webrtc", "This listener has no WebRTC session.")

    async def close(self) -> None:
        self.end("closed")

    def end(self, reason: str, parting: str = "") -> None:
        if not self.over.done():
            self.over.set_result(reason)
            self._transport = None
            self._waiting.clear()
            self._on_end(self, reason)


def chunk_of(data: bytes) -> bytes:
    """Bytes as one chunk of HTTP (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)

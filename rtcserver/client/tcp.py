"""Media by TCP for the headless client: the active side of ICE-TCP (RFC 6544), on this machine's own doorstep.

aiortc's ICE knows UDP only. So it is shown one UDP address on this machine, and what it sends there is carried to the
server's TCP candidate and back, each packet behind its length (RFC 4571).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket

from rtcserver.client.whep import ListenError
from rtcserver.transport.framing import MAX_FRAME, Deframer, framed

CONNECT_S = 3.0
"""How long one of the server's addresses may take to accept."""
MAX_SOURCES = 8
"""Local addresses of aiortc's that are carried, each on a connection of its own."""
MAX_WAITING = 64
"""Packets that wait until a connection stands."""

_LOCAL = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\S+) \d+ typ host", re.IGNORECASE | re.MULTILINE)
_REMOTE = re.compile(
    r"^a=candidate:\S+ 1 tcp \d+ (\S+) (\d+) typ host tcptype passive", re.IGNORECASE | re.MULTILINE
)
_ANY = re.compile(r"^a=candidate:.*\r?\n", re.MULTILINE)


class TcpPath:
    """A `rtcserver.client.ways.MediaPath`. Loop-bound; one session; `close` at the end."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._candidates: list[tuple[str, int]] = []
        self._carriers: dict[tuple[str, int], _Carrier] = {}

    def offer(self, sdp: str) -> str:
        """The offer as it is; its first host candidate tells where aiortc can be reached."""
        self.close()
        found = _LOCAL.search(sdp)
        host = found[1] if found else "127.0.0.1"
        self._sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind((host, 0))
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._read, self._sock)
        return sdp

    def answer(self, sdp: str) -> str:
        """The answer with our own address in place of the server's. Raises ListenError if it offers no TCP."""
        assert self._sock is not None, "offer() comes first"
        self._candidates = [(match[1], int(match[2])) for match in _REMOTE.finditer(sdp)]
        if not self._candidates:
            raise ListenError("the server offers no media by TCP (media_tcp is off, or it is an older one)")
        host, port = self._sock.getsockname()[:2]
        first = True

        def ours(match: re.Match[str]) -> str:
            nonlocal first
            line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n" if first else ""
            first = False
            return line

        return _ANY.sub(ours, sdp)

    def close(self) -> None:
        """Carry no more. Idempotent."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None
        for carrier in self._carriers.values():
            carrier.close()
        self._carriers.clear()

    def _read(self, sock: socket.socket) -> None:
        while True:
            try:
                data, source = sock.recvfrom(MAX_FRAME + 1)
            except OSError:
                return
            carrier = self._carriers.get(source[:2])
            if carrier is None:
                if len(self._carriers) >= MAX_SOURCES or not self._candidates:
                    continue
                carrier = self._carriers[source[:2]] = _Carrier(sock, source, self._candidates)
            carrier.send(data)


class _Carrier:
    """One connection, for one of aiortc's sockets."""

    def __init__(
        self, sock: socket.socket, source: tuple[str, int], candidates: list[tuple[str, int]]
    ) -> None:
        self._sock = sock
        self._source = source
        self._waiting: list[bytes] = []
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.create_task(self._carry(candidates), name="tcp-media")

    def send(self, data: bytes) -> None:
        """Carry one packet, or keep it until the connection stands."""
        if len(data) > MAX_FRAME:
            return
        if self._writer is not None:
            self._writer.write(framed(data))
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(framed(data))

    def close(self) -> None:
        self._task.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _carry(self, candidates: list[tuple[str, int]]) -> None:
        """Connect to the first address that answers, and bring what comes. ICE finds out if none does."""
        for host, port in candidates:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await asyncio.open_connection(host, port)
                break
        else:
            return
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.writelines(self._waiting)
        self._waiting.clear()
        self._writer = writer
        deframer = Deframer()
        with contextlib.suppress(OSError):
            while (data := await reader.read(65_536)) and not deframer.broken:
                for packet in deframer.feed(data):
                    self._sock.sendto(packet, self._source)
        writer.close()

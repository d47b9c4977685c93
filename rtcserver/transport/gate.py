"""A gate in the kernel: datagrams of peers that flood are dropped before anybody reads them (Linux).

A budget (`rtcserver.transport.budget`) spares the work that a datagram asks for, but not the reading of it, and while a
flood stands in the socket's queue, everybody's datagrams stand behind it and are dropped with it. So a source that goes
far beyond its budget is named in a classic BPF program on the socket (``SO_ATTACH_FILTER``, no privilege needed),
which drops what comes from there for a while. Where there are no such programs nothing is shut, and the flood is read.

The program begins at the UDP header; the IP header is at ``SKF_NET_OFF`` (Linux, networking/filter.rst)::

    for each source:  source address, word by word, and source port are these?  no: the next source
                      [STUN may pass: the first byte of the payload is at most 3?  accept]
                      drop
    accept
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections import Counter
from ipaddress import ip_address

from rtcserver.transport.address import Path

SHUT_NS = 1_000_000_000
"""How long a source stays shut."""
MAX_SHUT = 64
"""Sources that are shut at a time, in one socket. What is more than that is read."""

_SO_ATTACH_FILTER, _SO_DETACH_FILTER, _SO_MEMINFO = 26, 27, 55
_DROPS_AT = 8
"""``SK_MEMINFO_DROPS``, an index into nine 32-bit numbers."""
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_EQUAL, _GREATER, _RETURN = 0x15, 0x25, 0x06
_NET = 0xFFF0_0000
_SOURCE_AT = {4: _NET + 12, 6: _NET + 8}
_PAYLOAD_AT = 8
_ALL = 0xFFFF_FFFF
Instruction = tuple[int, int, int, int]
"""``struct sock_filter``: code, jump if true, jump if false, operand."""


def program(sources: dict[tuple[str, int], bool]) -> list[Instruction]:
    """What drops datagrams of the sources (address, port); a source's value says whether its STUN may pass. Pure."""
    instructions: list[Instruction] = []
    for (host, port), stun_passes in sources.items():
        address = ip_address(host.partition("%")[0])
        at = _SOURCE_AT[address.version]
        block: list[Instruction] = []
        for word, start in enumerate(range(0, len(address.packed), 4)):
            value = int.from_bytes(address.packed[start : start + 4])
            block += [(_LOAD_WORD, 0, 0, at + 4 * word), (_EQUAL, 0, 0, value)]
        block += [(_LOAD_HALF, 0, 0, 0), (_EQUAL, 0, 0, port)]
        if stun_passes:
            block += [(_LOAD_BYTE, 0, 0, _PAYLOAD_AT), (_GREATER, 1, 0, 3), (_RETURN, 0, 0, _ALL)]
        block.append((_RETURN, 0, 0, 0))
        # What is no match goes on behind the block.
        instructions += [
            (code, 0, len(block) - place - 1, operand)
            if code == _EQUAL
            else (code, if_true, if_false, operand)
            for place, (code, if_true, if_false, operand) in enumerate(block)
        ]
    return [*instructions, (_RETURN, 0, 0, _ALL)]


class Gate:
    """The gates of the port's sockets. Loop-bound. counters: how often one was shut, and what it dropped.

    What the kernel drops is known as one sum for each socket: while a source is shut there it is counted as
    ``gate_dropped``, else as ``udp_overflowed``, which are datagrams that found the socket's queue full.
    """

    def __init__(
        self, sockets: list[socket.socket], counters: Counter[str], checks: socket.socket | None = None
    ) -> None:
        """checks: a further socket that is the first one's twin, with the same gate."""
        self._sockets = sockets
        self._twins = {0: checks} if checks is not None else {}
        self._counters = counters
        self._shut: list[dict[tuple[str, int], tuple[bool, int]]] = [{} for _ in sockets]
        """By socket: each source's leave for STUN, and when it is opened again."""
        self._seen = [self._drops(index) for index in range(len(sockets))]
        self.available = sys.platform == "linux"

    def shut(self, path: Path, now_ns: int, *, stun_passes: bool) -> bool:
        """Read nothing from the other end of `path` for `SHUT_NS`. False if that cannot be done."""
        shut = self._shut[path.socket]
        source = path.remote[:2]
        if not self.available or (len(shut) >= MAX_SHUT and source not in shut):
            return False
        before = shut.get(source)
        if before is not None and before[0] <= stun_passes:
            return True
        self._count(path.socket, bool(shut))
        shut[source] = (stun_passes, now_ns + SHUT_NS)
        if not self._attach(path.socket):
            del shut[source]
            return False
        self._counters["gate_shut"] += 1
        return True

    def tick(self, now_ns: int) -> None:
        """Open what has been shut for long enough, and count what was dropped."""
        for index, shut in enumerate(self._shut):
            was_shut = bool(shut)
            over = [source for source, (_, until) in shut.items() if now_ns >= until]
            for source in over:
                del shut[source]
            if over:
                self._attach(index)
            self._count(index, was_shut)

    def _count(self, index: int, was_shut: bool) -> None:
        """Count what the kernel has dropped at a socket since the last time."""
        drops = self._drops(index)
        fresh = (drops - self._seen[index]) & _ALL
        if fresh:
            self._seen[index] = drops
            self._counters["gate_dropped" if was_shut else "udp_overflowed"] += fresh

    def _both(self, index: int) -> list[socket.socket]:
        twin = self._twins.get(index)
        return [self._sockets[index]] if twin is None else [self._sockets[index], twin]

    def _drops(self, index: int) -> int:
        return sum(map(_drops, self._both(index)))

    def _attach(self, index: int) -> bool:
        sources = {source: leave for source, (leave, _) in self._shut[index].items()}
        try:
            if not sources:
                for sock in self._both(index):
                    sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
                return True
            instructions = program(sources)
            packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
            buffer = ctypes.create_string_buffer(packed, len(packed))
            # struct sock_fprog: the number of instructions and where they are.
            described = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
            for sock in self._both(index):
                sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
        except OSError:
            self.available = False
            return False
        return True


def _drops(sock: socket.socket) -> int:
    """Datagrams that the kernel has dropped at a socket so far; 0 where it does not say."""
    if sys.platform != "linux":
        return 0
    try:
        counts = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS_AT + 1))
    except OSError:
        return 0
    return int.from_bytes(counts[4 * _DROPS_AT : 4 * _DROPS_AT + 4], sys.byteorder)

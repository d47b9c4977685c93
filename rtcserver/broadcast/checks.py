"""Answers to checks for consent, in the process that is awake with every packet.

The server process hands over the checks that it knows (`rtcserver.transport.handover`). One that comes again, from where it
came and with the same password, is answered here for a fraction of what it costs a sleeping process; any other goes up. The
socket that they come by has checks only (`rtcserver.transport.check_socket`).
"""

from __future__ import annotations

import hmac
import socket
from typing import Any

import numpy as np

from rtcserver.broadcast.batch import IOVEC, MMSGHDR, recv_batch
from rtcserver.clock import NS
from rtcserver.transport import stun
from rtcserver.transport.address import Ancillary, leave_from
from rtcserver.transport.budget import KNOWN_CHECKS
from rtcserver.transport.consent import Credentials, Kept
from rtcserver.transport.handover import AnsweredChecks, KnownCheck

AT_ONCE = 32
"""Checks that are read at a time: less than half a millisecond."""
MAX_STRAYS = 8
"""Of these, such as nobody knows. What is more than that is dropped: whoever is honest asks again."""
FULL_READS = 16
"""So many reads in a row that leave something behind are a flood."""
_NAME, _CONTROL, _ROW = 16, 64, stun.MAX_BYTES + 1
_LOCAL_AT = 16 + 8
"""Where the control message IP_PKTINFO has the address that was addressed: behind its header, an index and another one."""

Source = tuple[bytes, bytes]
"""``sockaddr_in`` as the kernel gives it, and the local address, 4 bytes, or b""."""


class _Entry:
    """One peer's check. ids, last_ns: what was answered since the last account. window_ns, count: its budget."""

    __slots__ = ("ancillary", "count", "ids", "kept", "last_ns", "number", "source", "window_ns")

    def __init__(self, number: int, source: Source, kept: Kept) -> None:
        self.number = number
        self.source = source
        self.kept = kept
        self.ancillary: Ancillary = leave_from(source[1])
        self.ids: list[bytes] = []
        self.last_ns = self.window_ns = self.count = 0


class CheckDesk:
    """Which checks are known, and their answers. No socket, no clock."""

    def __init__(self) -> None:
        self._by_source: dict[Source, _Entry] = {}
        self._by_number: dict[int, _Entry] = {}
        self._answered: dict[int, _Entry] = {}
        self.over = 0
        """Checks beyond a peer's budget (`rtcserver.transport.budget.KNOWN_CHECKS`), which are not answered."""

    def __len__(self) -> int:
        return len(self._by_number)

    def keep(self, number: int, check: KnownCheck) -> None:
        """Answer checks like this one. Raises ValueError if it is none, or not of IPv4."""
        mapped = stun.mapped_address(check.remote)
        if mapped is None or len(check.local) not in (0, 4) or len(check.head) != 8:
            raise ValueError("not a check over IPv4")
        self.drop(number)
        source = sockaddr(check.remote), check.local
        other = self._by_source.get(source)
        if other is not None:
            self.drop(other.number)
        mac = hmac.new(check.password.encode(), digestmod="sha1")
        credentials = Credentials("", check.password, "")
        kept = Kept(credentials, mac, check.head, check.body, mapped, False)
        entry = _Entry(number, source, kept)
        self._by_source[source] = self._by_number[number] = entry

    def drop(self, number: int) -> None:
        """Answer a peer's checks no more. Ignored if it is not known."""
        entry = self._by_number.pop(number, None)
        if entry is not None:
            del self._by_source[entry.source]
            self._answered.pop(number, None)

    def answer(self, data: bytes, source: Source, now_ns: int) -> tuple[bytes, Ancillary] | None:
        """The reply to a check and where it leaves from; b"" for none at all. None if it is not a known one."""
        entry = self._by_source.get(source)
        if entry is None:
            return None
        if now_ns - entry.window_ns >= NS:
            entry.window_ns, entry.count = now_ns, 0
        entry.count += 1
        if entry.count > KNOWN_CHECKS:
            self.over += 1
            return b"", entry.ancillary
        if not entry.kept.comes_again(data):
            return None
        transaction_id = data[8 : stun.HEADER_BYTES]
        entry.ids.append(transaction_id)
        entry.last_ns = now_ns
        self._answered[entry.number] = entry
        return entry.kept.reply(transaction_id), entry.ancillary

    def take(self) -> list[AnsweredChecks]:
        """What was answered since the last call."""
        rows = []
        for entry in self._answered.values():
            rows.append(AnsweredChecks(entry.number, entry.last_ns, tuple(entry.ids)))
            entry.ids = []
        self._answered.clear()
        return rows


class CheckSocket:
    """Reads the socket for checks without ever waiting. Owns it from now on."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self._full = 0
        self.overflowed = False
        """Whether there are more checks than are read; to be reset by the reader."""
        self.unsent = 0
        """Answers that the socket did not take."""
        self._rows = np.zeros((AT_ONCE, _ROW), np.uint8)
        self._names = np.zeros((AT_ONCE, _NAME), np.uint8)
        self._controls = np.zeros((AT_ONCE, _CONTROL), np.uint8)
        iovecs = self._iovecs = np.zeros(AT_ONCE, IOVEC)
        iovecs["base"] = self._addresses(self._rows)
        iovecs["length"] = _ROW
        self._headers: Any = np.zeros(AT_ONCE, MMSGHDR)
        self._headers["name"] = self._addresses(self._names)
        self._headers["iov"] = self._addresses(iovecs.view(np.uint8).reshape(AT_ONCE, -1))
        self._headers["iovlen"] = 1
        self._headers["control"] = self._addresses(self._controls)
        self._headers_address: int = self._headers.ctypes.data
        self._ready(AT_ONCE)

    @staticmethod
    def _addresses(rows: Any) -> Any:
        return rows.ctypes.data + np.arange(len(rows), dtype=np.uint64) * np.uint64(rows.strides[0])

    def _ready(self, count: int) -> None:
        headers = self._headers[:count]
        headers["namelen"], headers["controllen"], headers["flags"] = _NAME, _CONTROL, 0

    def read(self, desk: CheckDesk, now_ns: int) -> list[tuple[bytes, tuple[str, int], bytes]]:
        """Answer what is known of what has come. Returns the rest: datagram, its sender, and the local address."""
        count = recv_batch(self._fd, self._headers_address, AT_ONCE)
        if count <= 0:
            self._full = 0
            return []
        self._full = self._full + 1 if count == AT_ONCE else 0
        if self._full >= FULL_READS:
            self._full, self.overflowed = 0, True
        strays: list[tuple[bytes, tuple[str, int], bytes]] = []
        lengths = self._headers["sent"][:count].tolist()
        controls = self._headers["controllen"][:count].tolist()
        for slot in range(count):
            data = self._rows[slot, : lengths[slot]].tobytes()
            name = self._names[slot].tobytes()
            local = b""
            if controls[slot] >= _LOCAL_AT + 4:
                local = self._controls[slot, _LOCAL_AT : _LOCAL_AT + 4].tobytes()
            answered = desk.answer(data, (name, local), now_ns)
            if answered is None:
                if len(strays) < MAX_STRAYS:
                    strays.append((data, address(name), local))
            elif answered[0]:
                try:
                    self._sock.sendmsg((answered[0],), answered[1], socket.MSG_DONTWAIT, address(name))
                except OSError:
                    self.unsent += 1
        self._ready(count)
        return strays

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self._sock.close()


def sockaddr(remote: tuple[str, int]) -> bytes:
    """An IPv4 address and port as ``sockaddr_in``."""
    family = int(socket.AF_INET).to_bytes(2, "little")
    return family + remote[1].to_bytes(2) + socket.inet_aton(remote[0]) + bytes(8)


def address(name: bytes) -> tuple[str, int]:
    """The reverse of `sockaddr`."""
    return socket.inet_ntoa(name[4:8]), int.from_bytes(name[2:4])

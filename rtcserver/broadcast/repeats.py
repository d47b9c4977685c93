"""Second copies of packets, for listeners that lose many: what is due when, and its sending."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence

from rtcserver.broadcast.batch import SendBudget
from rtcserver.broadcast.group import Group
from rtcserver.broadcast.streams import STREAM_LANE

REPEAT_AFTER_NS = 5_000_000
"""Between a packet and its copy, where each is sent twice: longer than the networks' shortest disturbances, and half a
frame, so that a receiver's buffer need not grow by a whole one."""
MAX_REPEATS = 1024
"""Packets of groups that wait to be sent again; the oldest gives way."""


class Repeats:
    """The packets that wait for their copies. Each copy is the same protected packet as the first."""

    def __init__(self) -> None:
        self._fresh: list[tuple[Group, int]] = []
        """Groups with listeners that get packets twice, and how many each had been sent with this one."""
        self._waiting: deque[tuple[int, Group, int]] = deque(maxlen=MAX_REPEATS)
        """The same, with the time at which it is due (ns)."""

    def add(self, group: Group) -> None:
        """The packet that a group has just been sent is to be sent again."""
        self._fresh.append((group, group.sent))

    @property
    def due_ns(self) -> int | None:
        """When the next copies are due; None if there are none."""
        return self._waiting[0][0] if self._waiting else None

    def send(self, now_ns: int, sockets: Sequence[socket.socket], *, batched: bool) -> int:
        """Send the copies that are due. What was added since the last call is due `REPEAT_AFTER_NS` from now.

        Returns how many were sent.
        """
        if not self._fresh and not self._waiting:
            return 0
        for group, number in self._fresh:
            self._waiting.append((now_ns + REPEAT_AFTER_NS, group, number))
        self._fresh.clear()
        sent = 0
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, group, number = self._waiting.popleft()
            budget = SendBudget()
            for lane, blocks in group.lanes.items():
                if lane.fd_index == STREAM_LANE:
                    continue
                for block in blocks:
                    sock = sockets[lane.fd_index]
                    sent += block.repeat(group.sent - number, sock, budget, batched=batched)
        return sent

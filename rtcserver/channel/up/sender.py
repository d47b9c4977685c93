"""A performer's client: what is played leaves at once, and again until it is acknowledged. Pure.

PROTOCOL.md, "Up: play", "Sending". One `UpSender` in each performing client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.down.messages import Reply
from rtcserver.channel.up.messages import MAX_HELD, MAX_PLAY_EVENTS, PANIC, PANIC_ALL, Play, PlayEvent
from rtcserver.channel.wire import unwrap

MS = 1_000_000
REPEATS_NS = (5 * MS, 10 * MS, 20 * MS, 40 * MS)
"""After the last new event; then every `REPEAT_NS`."""
REPEAT_NS = 40 * MS
KEEP_ALIVE_HOLDING_NS = 200 * MS
KEEP_ALIVE_NS = 1000 * MS
MAX_UNACKED = 256
_MAX_AGE_US = 0xFFFF_FFFF


class _Pending(NamedTuple):
    sequence: int
    at_ns: int
    message: bytes


@dataclass(slots=True)
class UpSenderCounters:
    """events: accepted. refused: not playable, or beyond 128 held cells. abandoned: never acknowledged."""

    events: int = 0
    refused: int = 0
    abandoned: int = 0
    messages: int = 0
    released: int = 0


class UpSender:
    """A performer's side: push what is played, send what `poll` returns, feed in the replies."""

    def __init__(self, now_ns: int) -> None:
        self.counters = UpSenderCounters()
        self.epoch = 0
        self._newest = 0
        self._acked = 0
        self._pending: deque[_Pending] = deque()
        self._held: dict[int, int] = {}
        self._unsent = False
        self._fresh_ns = now_ns
        self._repeat = 0
        self._sent_ns = now_ns - KEEP_ALIVE_NS

    @property
    def held(self) -> Mapping[int, int]:
        """(cell → value) of the keys and pedals that are down. A live view."""
        return MappingProxyType(self._held)

    @property
    def unacknowledged(self) -> int:
        """Events on their way."""
        return len(self._pending)

    def push(self, message: bytes, now_ns: int) -> list[bytes]:
        """Play one MIDI message. Returns what it became: [] if it is not playable, or changes nothing."""
        accepted = []
        for event in cells.normal_form(message, self._held):
            write = cells.held_write(event)
            if write is not None:
                cell, value = write
                if value == 0:
                    if self._held.pop(cell, None) is None:
                        continue
                elif cell not in self._held and len(self._held) >= MAX_HELD:
                    continue
                else:
                    self._held[cell] = value
            self._append(event, now_ns)
            accepted.append(event)
        self.counters.refused += not accepted
        return accepted

    def panic(self, now_ns: int, *, everyone: bool = False) -> None:
        """Release all of one's own keys and pedals, or silence everyone."""
        self._held.clear()
        self._append(PANIC_ALL if everyone else PANIC, now_ns)

    def _append(self, message: bytes, now_ns: int) -> None:
        self._newest += 1
        self.counters.events += 1
        if len(self._pending) >= MAX_UNACKED:
            self._pending.popleft()
            self.counters.abandoned += 1
        self._pending.append(_Pending(self._newest, now_ns, message))
        self._unsent = True
        self._fresh_ns = now_ns
        self._repeat = 0

    @property
    def next_ns(self) -> int:
        """When `poll` has something to send."""
        if self._unsent:
            return self._fresh_ns
        keep_alive = self._sent_ns + (KEEP_ALIVE_HOLDING_NS if self._held else KEEP_ALIVE_NS)
        if not self._pending:
            return keep_alive
        if self._repeat < len(REPEATS_NS):
            return self._fresh_ns + REPEATS_NS[self._repeat]
        return self._sent_ns + REPEAT_NS

    def poll(self, now_ns: int) -> list[bytes]:
        """The messages that are due now."""
        if now_ns < self.next_ns:
            return []
        while self._repeat < len(REPEATS_NS) and self._fresh_ns + REPEATS_NS[self._repeat] <= now_ns:
            self._repeat += 1
        self._unsent = False
        self._sent_ns = now_ns
        pending = list(self._pending)
        held = tuple(sorted(self._held.items()))
        out: list[bytes] = []
        for at in range(0, max(1, len(pending)), MAX_PLAY_EVENTS):
            chunk = pending[at : at + MAX_PLAY_EVENTS]
            final = at + MAX_PLAY_EVENTS >= len(pending)
            play = Play(
                epoch=self.epoch,
                newest=(chunk[-1].sequence if chunk else self._newest) & 0xFFFF_FFFF,
                client_us=now_ns // 1000,
                events=tuple(
                    PlayEvent(message, max(0, min(_MAX_AGE_US, (now_ns - at_ns) // 1000)))
                    for _, at_ns, message in chunk
                ),
                held=held if final else None,
                first=at == 0,
            )
            out.append(play.pack())
        self.counters.messages += len(out)
        return out

    def receive(self, reply: Reply, now_ns: int) -> list[bytes]:
        """Take a reply. Returns the releases that the server did on its own: what was held is up now."""
        if not reply.performer:
            return []
        raised = (reply.epoch - self.epoch) & 0xFF
        if raised >= 0x80:
            return []
        if raised:
            self.epoch = reply.epoch
            self.counters.abandoned += len(self._pending)
            self._pending.clear()
            self._unsent = False
            released = cells.releases(self._held)
            self.counters.released += len(released)
            self._held.clear()
            return released
        acked = unwrap(reply.acked, self._acked)
        if self._acked < acked <= self._newest:
            self._acked = acked
            while self._pending and self._pending[0].sequence <= acked:
                self._pending.popleft()
        return []

"""What a performer plays, on its way to the server. PROTOCOL.md, "Up: play".

Pure. One `UpSender` in each performing client, one `UpReceiver` for each performer at the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.codec import (
    MAX_HELD,
    MAX_PLAY_EVENTS,
    PANIC,
    PANIC_ALL,
    Play,
    PlayEvent,
    Reply,
    unwrap,
)
from rtcserver.channel.limits import RateLimit
from rtcserver.midi import message as m

MS = 1_000_000
REPEATS_NS = (5 * MS, 10 * MS, 20 * MS, 40 * MS)
"""After the last new event; then every `REPEAT_NS`."""
REPEAT_NS = 40 * MS
KEEP_ALIVE_HOLDING_NS = 200 * MS
KEEP_ALIVE_NS = 1000 * MS
MAX_UNACKED = 256
SILENCE_NS = 1750 * MS
"""A performer who holds something is released after so long without a word: within 2 s of his being gone."""
STALE_US = 250_000
"""A note-on older than this is skipped if its note-off is already known."""
REPLY_NS = 5 * MS
EVENTS_PER_S = 1000
EVENTS_BURST = 250
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
        self._heard_ns = now_ns

    @property
    def held(self) -> Mapping[int, int]:
        """(cell → value) of the keys and pedals that are down. A live view."""
        return MappingProxyType(self._held)

    @property
    def unacknowledged(self) -> int:
        """Events on their way."""
        return len(self._pending)

    def silent_ns(self, now_ns: int) -> int:
        """How long ago the last reply came; beyond `SILENCE_NS` the connection is as good as lost."""
        return now_ns - self._heard_ns

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
        self._heard_ns = now_ns
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


class Played(NamedTuple):
    """Something a performer did. `message`: in normal form, or `PANIC_ALL`.

    client_us: when, on his clock. repaired: learned from what he holds, or a release by the server: no event
    of his own says so, and `client_us` is the time of the message that did (0 for none).
    """

    message: bytes
    client_us: int
    repaired: bool = False


@dataclass(slots=True)
class UpCounters:
    """In events, except messages. limited: over the rate. stale: too late to be played. missed: given up by
    the sender. late_epoch: messages from before a release."""

    messages: int = 0
    events: int = 0
    repeated: int = 0
    limited: int = 0
    stale: int = 0
    missed: int = 0
    repaired: int = 0
    late_epoch: int = 0
    silences: int = 0


class UpReceiver:
    """The server's side of one performer: what he plays, once and in order, and what he holds."""

    def __init__(self, now_ns: int) -> None:
        self.counters = UpCounters()
        self.epoch = 0
        self._applied = 0
        self._held: dict[int, int] = {}
        self._limit = RateLimit(EVENTS_PER_S, EVENTS_BURST)
        self._heard_ns = now_ns
        self._reply_to: tuple[int, int] | None = None
        self._replied_ns = now_ns - REPLY_NS

    @property
    def held(self) -> Mapping[int, int]:
        """(cell → value) of what the performer holds. A live view."""
        return MappingProxyType(self._held)

    def alive(self, now_ns: int) -> None:
        """Anything valid arrived from this session, such as a ping."""
        self._heard_ns = now_ns

    def receive(self, play: Play, now_ns: int) -> list[Played]:
        """Take one message; returns what is new in it, in order."""
        self.counters.messages += 1
        self.alive(now_ns)
        self._reply_to = (play.client_us, now_ns)
        if play.epoch != self.epoch:
            self.counters.late_epoch += 1
            return []
        newest = unwrap(play.newest, self._applied)
        first = newest - len(play.events) + 1
        gap = first - self._applied - 1
        if gap > 0 and not play.first:
            return []
        if newest < self._applied:
            self.counters.repeated += len(play.events)
            return []
        self.counters.missed += max(0, gap)
        found: list[Played] = []
        fresh = play.events[max(0, -gap) :]
        self.counters.repeated += len(play.events) - len(fresh)
        self._applied = newest
        for at, event in enumerate(fresh):
            self.counters.events += 1
            if _stale(event, fresh[at + 1 :]):
                self.counters.stale += 1
            else:
                self._event(event.message, play.client_us - event.age_us, now_ns, found)
        if play.held is not None:
            self._settle(dict(play.held), play.client_us, now_ns, found)
        return found

    def _event(self, message: bytes, client_us: int, now_ns: int, found: list[Played]) -> None:
        if message in (PANIC, PANIC_ALL):
            found.extend(Played(end, client_us) for end in cells.releases(self._held))
            self._held.clear()
            if message == PANIC_ALL and self._allowed(now_ns):
                found.append(Played(message, client_us))
            return
        for event in cells.normal_form(message, self._held):
            write = cells.held_write(event)
            if write is not None:
                cell, value = write
                if value == 0:
                    # Releases are not limited: they cannot outnumber what was let in.
                    if self._held.pop(cell, None) is not None:
                        found.append(Played(event, client_us))
                    continue
                if cell not in self._held and len(self._held) >= MAX_HELD:
                    self.counters.limited += 1
                    continue
                if not self._allowed(now_ns):
                    continue
                self._held[cell] = value
            elif not self._allowed(now_ns):
                continue
            found.append(Played(event, client_us))

    def _settle(self, held: dict[int, int], client_us: int, now_ns: int, found: list[Played]) -> None:
        """Make the server's idea of what is held the performer's own."""
        before = len(found)
        gone = {cell: value for cell, value in self._held.items() if cell not in held}
        found.extend(Played(message, client_us, True) for message in cells.releases(gone))
        for cell in gone:
            del self._held[cell]
        for cell, value in held.items():
            known = self._held.get(cell)
            # A key's velocity is of the past: only a pedal has a value that still matters.
            if (known is None or (known != value and not cells.is_note(cell))) and self._allowed(now_ns):
                self._held[cell] = value
                found.append(Played(cells.message_of(cell, value), client_us, True))
        self.counters.repaired += len(found) - before

    def _allowed(self, now_ns: int) -> bool:
        if self._limit.take(now_ns):
            return True
        self.counters.limited += 1
        return False

    def release(self) -> list[Played]:
        """End all that this performer holds, and begin a new epoch: he left, or someone silenced everyone."""
        found = [Played(message, 0, True) for message in cells.releases(self._held)]
        self._held.clear()
        self.epoch = (self.epoch + 1) & 0xFF
        return found

    @property
    def next_ns(self) -> int | None:
        """When `poll` or `reply` has something to do; None if nothing waits."""
        times = []
        if self._reply_to is not None:
            times.append(self._replied_ns + REPLY_NS)
        if self._held:
            times.append(self._heard_ns + SILENCE_NS)
        return min(times, default=None)

    def poll(self, now_ns: int) -> list[Played]:
        """Release him if he holds something and has not been heard for `SILENCE_NS`."""
        if not self._held or now_ns - self._heard_ns < SILENCE_NS:
            return []
        self.counters.silences += 1
        return self.release()

    def reply(self, now_ns: int, media_now: int) -> bytes | None:
        """The reply that is due now, if any. media_now: the room's media time at `now_ns`."""
        if self._reply_to is None or now_ns - self._replied_ns < REPLY_NS:
            return None
        client_us, arrived_ns = self._reply_to
        self._reply_to = None
        self._replied_ns = now_ns
        held_us = min(0xFFFF_FFFF, (now_ns - arrived_ns) // 1000)
        return Reply(
            True, self.epoch, self._applied & 0xFFFF_FFFF, client_us, media_now, max(0, held_us)
        ).pack()


def _stale(event: PlayEvent, later: tuple[PlayEvent, ...]) -> bool:
    """Whether this is a note-on so late that its note-off came along: playing it would only click."""
    if event.age_us <= STALE_US or not m.is_note_on(event.message):
        return False
    channel, note = m.channel(event.message), event.message[1]
    return any(
        message in (PANIC, PANIC_ALL)
        or (message[0] in (m.NOTE_OFF | channel, m.NOTE_ON | channel) and message[1] == note)
        for message, _ in later
    )

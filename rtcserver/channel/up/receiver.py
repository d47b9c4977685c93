"""The server's side of a performer: what they play, once and in order, what they hold, and how much they may.

Pure. PROTOCOL.md, "Up: play", "Receiving" and "Ownership epochs". One `UpReceiver` for each performer. This is
the only place that limits the rate of played events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.down.messages import Reply
from rtcserver.channel.up.messages import MAX_HELD, PANIC, PANIC_ALL, Play, PlayEvent
from rtcserver.channel.wire import unwrap
from rtcserver.midi import message as m
from rtcserver.rate import RateLimit

MS = 1_000_000
SILENCE_NS = 1750 * MS
"""A performer who holds something is released after so long without a word: within 2 s of their being gone."""
STALE_US = 250_000
"""A note-on older than this is skipped if its note-off is already known."""
REPLY_NS = 5 * MS
EVENTS_PER_S = 1000
EVENTS_BURST = 250


class Played(NamedTuple):
    """Something a performer did. `message`: in normal form, or `PANIC_ALL`.

    client_us: when, on their clock. repaired: learned from what they hold, or a release by the server: no event
    of their own says so, and `client_us` is the time of the message that did (0 for none).
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
    """What one performer plays, once and in order, and what they hold.

    counters: where this performer's events are counted, perhaps with others'.
    """

    def __init__(self, now_ns: int, counters: UpCounters | None = None) -> None:
        self.counters = counters or UpCounters()
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
        """End all that this performer holds, and begin a new epoch: they left, or someone silenced everyone."""
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
        """Release the performer if they hold something and have not been heard for `SILENCE_NS`."""
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

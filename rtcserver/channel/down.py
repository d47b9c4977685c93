"""Notes for everyone: the journal, the pacing of its messages, and what a receiver makes of them.

Pure. PROTOCOL.md, "Down: notes". One `Journal` a room; one `DownSender` for each cadence, whose messages
go to all sessions of that cadence; one `DownReceiver` in each client.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.codec import (
    MAX_MESSAGE,
    MAX_NOTES_EVENTS,
    NoteEvent,
    Notes,
    OwnedCell,
    StatePart,
    note_row,
    pack_notes,
    unwrap,
)
from rtcserver.channel.notes import NoteState
from rtcserver.midi import performers

MS = 1_000_000
REPEAT_WINDOW_NS = 700 * MS
"""How long an event is repeated in every message."""
STATE_ACTIVE_NS = 250 * MS
STATE_IDLE_NS = 1000 * MS
STATE_PARTS = 4
"""Parts of the state in one round."""
JOURNAL_EVENTS = 1024
_MAX_DELTA = 0x7FFF_FFFF
_HEADER_BYTES, _EVENT_BYTES, _RANGE_BYTES, _CELL_BYTES = 16, 8, 8, 5


@dataclass(frozen=True, slots=True)
class Cadence:
    """interval_ns: least time between two messages with new events, or before one without; see PROTOCOL.md.

    repeats_ns: after the last event, ascending.
    """

    interval_ns: int
    repeats_ns: tuple[int, ...]


LISTEN = Cadence(40 * MS, tuple(ms * MS for ms in (40, 80, 120, 160, 200, 240, 280, 320, 480, 640)))
STUDIO = Cadence(4 * MS, tuple(ms * MS for ms in (10, 20, 40, 80, 120, 160, 200, 240, 280, 320, 480, 640)))


class _Entry(NamedTuple):
    """row: see `note_row`."""

    sequence: int
    at_ns: int
    media_time: int
    row: bytes


class Journal:
    """Numbers the events of a room, keeps the last `JOURNAL_EVENTS` and the state after the newest."""

    def __init__(self) -> None:
        self.newest = 0
        """Number of the last event, not wrapped; 0 before the first."""
        self.state = NoteState()
        self._entries: deque[_Entry] = deque(maxlen=JOURNAL_EVENTS)

    def push(self, performer: int, message: bytes, media_time: int, now_ns: int) -> int:
        """Take one MIDI message of `performer` (1–254) that happened at `media_time`.

        Brings it into normal form and returns how many events it became (0 for what is not journalled).
        Raises `ValueError` for a performer that cannot play.
        """
        if not performers.ROOM < performer <= performers.LAST:
            raise ValueError(f"performer {performer} is not 1–{performers.LAST}")
        events = self.state.normal_form(performer, message)
        for event in events:
            self._append(performer, event, media_time, now_ns)
        return len(events)

    def _append(self, performer: int, message: bytes, media_time: int, now_ns: int) -> None:
        self.newest += 1
        self.state.apply(performer, message)
        self._entries.append(_Entry(self.newest, now_ns, media_time, note_row(performer, message)))

    def recent(self, since_ns: int, after: int) -> list[_Entry]:
        """Entries of the journal that are not older than `since_ns` or whose number is above `after`."""
        found: list[_Entry] = []
        for entry in reversed(self._entries):
            if entry.at_ns < since_ns and entry.sequence <= after:
                break
            found.append(entry)
        return found[::-1]


class DownSender:
    """Paces one cadence. `poll` when `next_ns` has come, or right after a push."""

    def __init__(self, journal: Journal, cadence: Cadence, now_ns: int) -> None:
        self._journal = journal
        self._cadence = cadence
        self._sent = journal.newest
        self._sent_ns = now_ns - cadence.interval_ns
        self._fresh_ns = now_ns - cadence.repeats_ns[-1]
        self._repeat = len(cadence.repeats_ns)
        self._state_ns = now_ns - STATE_IDLE_NS
        self._cursor = 0

    @property
    def next_ns(self) -> int:
        """When the next message is due."""
        earliest = self._sent_ns + self._cadence.interval_ns
        if self._journal.newest > self._sent:
            # A repeat or a state that has just left holds new events back less than other new ones do.
            fresh = self._fresh_ns + self._cadence.interval_ns
            return max(fresh, self._sent_ns + self._cadence.interval_ns // 16)
        if self._repeat < len(self._cadence.repeats_ns):
            # While there are repeats, the state goes with them.
            return max(self._fresh_ns + self._cadence.repeats_ns[self._repeat], earliest)
        return max(self._state_due_ns, earliest)

    @property
    def _state_due_ns(self) -> int:
        active = self._repeat < len(self._cadence.repeats_ns) or self._journal.newest > self._sent
        return self._state_ns + (STATE_ACTIVE_NS if active else STATE_IDLE_NS)

    def poll(self, now_ns: int, media_now: int) -> list[bytes]:
        """The messages due now, for all sessions of this cadence. media_now: media time at `now_ns`."""
        if now_ns < self.next_ns:
            return []
        with_state = now_ns >= self._state_due_ns
        entries = self._journal.recent(now_ns - REPEAT_WINDOW_NS, self._sent)
        fresh = sum(entry.sequence > self._sent for entry in entries)
        if self._journal.newest > self._sent:
            # A gap in the numbers (more than the journal holds at once) is the state's to mend.
            with_state |= self._journal.newest - self._sent > JOURNAL_EVENTS
            self._sent = self._journal.newest
            self._fresh_ns = now_ns
            self._repeat = 0
        else:
            while (
                self._repeat < len(self._cadence.repeats_ns)
                and self._fresh_ns + self._cadence.repeats_ns[self._repeat] <= now_ns
            ):
                self._repeat += 1
        self._sent_ns = now_ns
        *full, final = _chunks(entries, fresh)
        parts: list[StatePart] = []
        if with_state:
            self._state_ns = now_ns
            parts = self._state_round(len(final))
        return [
            *(_packed(chunk, chunk[-1].sequence, media_now) for chunk in full),
            *_packed_with(final, parts, self._journal.newest, media_now),
        ]

    def join(self, now_ns: int, media_now: int) -> list[bytes]:
        """What a session gets when its channel opens: the last events and the whole state."""
        entries = self._journal.recent(now_ns - REPEAT_WINDOW_NS, self._journal.newest)[-MAX_NOTES_EVENTS:]
        parts = _parts(self._journal.state.cells(), 0, len(entries), None)
        return _packed_with(entries, parts, self._journal.newest, media_now)

    def _state_round(self, events: int) -> list[StatePart]:
        parts = _parts(self._journal.state.cells(), self._cursor, events, STATE_PARTS)
        last = parts[-1].last
        self._cursor = 0 if last >= cells.LAST_KEY else last + 1
        return parts


class Heard(NamedTuple):
    """What a receiver learned. repaired: from a state, so `media_time` is when the state was sent."""

    performer: int
    message: bytes
    media_time: int
    sequence: int
    repaired: bool


@dataclass(slots=True)
class DownCounters:
    """What arrived, in events; `missed` is those whose number never came."""

    messages: int = 0
    events: int = 0
    repeated: int = 0
    superseded: int = 0
    repaired: int = 0
    missed: int = 0


class DownReceiver:
    """The room's notes as one client knows them, in whatever order messages arrive."""

    WINDOW = 1024
    """Event numbers that are told apart behind the newest; older ones are ignored."""

    def __init__(self) -> None:
        self.counters = DownCounters()
        self._newest: int | None = None
        self._first = 0
        self._seen: set[int] = set()
        self._cells: dict[int, tuple[int, int]] = {}
        """key → (value, number of the event that wrote it); value 0 stays until a state covers it."""
        self._floors: list[tuple[int, int, int]] = []
        """(first key, last key, number) of states, disjoint and ascending."""

    def cells(self) -> dict[tuple[int, int], int]:
        """(performer, cell) → value of all that exists."""
        return {
            (key >> 16, key & 0xFFFF): value
            for key, (value, _) in self._cells.items()
            if value or not cells.owned(key & 0xFFFF)
        }

    def receive(self, notes: Notes) -> list[Heard]:
        """Take one message; returns what it changed, in order of event number."""
        self.counters.messages += 1
        if self._newest is None:
            newest = notes.newest
            self._first = newest - len(notes.events) + 1
            self._newest = newest
        else:
            newest = unwrap(notes.newest, self._newest)
            self._newest = max(self._newest, newest)
        found: list[Heard] = []
        for number, event in enumerate(notes.events, newest - len(notes.events) + 1):
            heard = self._event(number, event)
            if heard is not None:
                found.append(heard)
        if notes.state is not None:
            found.extend(self._state(notes.state, newest, notes.media_time))
        self._forget()
        return found

    def _event(self, number: int, event: NoteEvent) -> Heard | None:
        assert self._newest is not None
        if number in self._seen or number < self._first or number <= self._newest - self.WINDOW:
            self.counters.repeated += 1
            return None
        self._seen.add(number)
        self.counters.events += 1
        write = cells.write_of(event.performer, event.message)
        if write is not None:
            key = write.performer << 16 | write.cell
            if number <= max(self._floor(key), self._cells.get(key, (0, -1))[1]):
                self.counters.superseded += 1
                return None
            self._cells[key] = (write.value, number)
        return Heard(event.performer, event.message, event.media_time, number, False)

    def _state(self, part: StatePart, number: int, media_time: int) -> list[Heard]:
        stated = {performer << 16 | cell: value for performer, cell, value in part.cells}
        changes: list[tuple[int, int]] = []
        for key in [key for key in self._cells if part.first <= key <= part.last and key not in stated]:
            value, written = self._cells[key]
            if written <= number:
                del self._cells[key]
                if value and cells.owned(key & 0xFFFF):
                    changes.append((key, 0))
        for key, value in stated.items():
            before, written = self._cells.get(key, (None, -1))
            if written <= number and self._floor(key) <= number:
                self._cells[key] = (value, number)
                if value != before:
                    changes.append((key, value))
        self._raise_floor(part.first, part.last, number)
        self.counters.repaired += len(changes)
        return [
            Heard(key >> 16, cells.message_of(key & 0xFFFF, value), media_time, number, True)
            for key, value in sorted(changes)
        ]

    def _floor(self, key: int) -> int:
        at = bisect_left(self._floors, (key + 1,)) - 1
        if at >= 0 and self._floors[at][1] >= key:
            return self._floors[at][2]
        return -1

    def _raise_floor(self, first: int, last: int, number: int) -> None:
        """Below `number`, events in this range say nothing new."""
        kept: list[tuple[int, int, int]] = []
        raised: list[tuple[int, int, int]] = []
        at = first
        for low, high, known in self._floors:
            if high < first or low > last:
                kept.append((low, high, known))
                continue
            if low < first:
                kept.append((low, first - 1, known))
            if high > last:
                kept.append((last + 1, high, known))
            if known > number:
                if at < max(low, first):
                    raised.append((at, max(low, first) - 1, number))
                raised.append((max(low, first), min(high, last), known))
                at = min(high, last) + 1
        if at <= last:
            raised.append((at, last, number))
        self._floors = sorted(kept + raised)

    def _forget(self) -> None:
        assert self._newest is not None
        span = self._newest - self._first + 1
        self.counters.missed = max(0, span - self.counters.events)
        if len(self._seen) > 2 * self.WINDOW:
            self._seen = {number for number in self._seen if number > self._newest - self.WINDOW}


def _chunks(entries: list[_Entry], fresh: int) -> list[list[_Entry]]:
    """Messages' worth of entries: all fresh ones, and in the last message as many earlier ones as fit."""
    out: list[list[_Entry]] = []
    rest = entries[max(0, len(entries) - max(fresh, MAX_NOTES_EVENTS)) :]
    while len(rest) > MAX_NOTES_EVENTS:
        out.append(rest[:MAX_NOTES_EVENTS])
        rest = rest[MAX_NOTES_EVENTS:]
    return [*out, rest]


def _packed(entries: Sequence[_Entry], newest: int, media_now: int, part: StatePart | None = None) -> bytes:
    # A jump of the media clock must not make a message that cannot be packed.
    rows = [(max(-_MAX_DELTA, min(_MAX_DELTA, entry[2] - media_now)), entry[3]) for entry in entries]
    return pack_notes(newest & 0xFFFF_FFFF, media_now, rows, part)


def _packed_with(entries: list[_Entry], parts: list[StatePart], newest: int, media_now: int) -> list[bytes]:
    """The message that ends with event `newest`, with the first part of the state; then the other parts."""
    return [
        _packed(entries, newest, media_now, parts[0] if parts else None),
        *(_packed((), newest, media_now, part) for part in parts[1:]),
    ]


def _parts(every: list[OwnedCell], cursor: int, events: int, limit: int | None) -> list[StatePart]:
    """The state from key `cursor` on, in parts that fit; the first one beside `events` events."""
    keys = [performer << 16 | cell for performer, cell, _ in every]
    at = bisect_left(keys, cursor)
    first = cursor
    parts: list[StatePart] = []
    while limit is None or len(parts) < limit:
        used = _HEADER_BYTES + _RANGE_BYTES + (0 if parts else events * _EVENT_BYTES)
        size = (MAX_MESSAGE - used) // _CELL_BYTES
        here = tuple(every[at : at + size])
        at += len(here)
        last = cells.LAST_KEY if at >= len(every) else keys[at] - 1
        parts.append(StatePart(first, last, here))
        if last >= cells.LAST_KEY:
            break
        first = last + 1
    return parts

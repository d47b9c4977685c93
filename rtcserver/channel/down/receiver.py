"""What a client makes of the messages, in whatever order they arrive. Pure. PROTOCOL.md, "Down: notes", "Receiving"."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.down.messages import NoteEvent, Notes, StatePart
from rtcserver.channel.wire import unwrap


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

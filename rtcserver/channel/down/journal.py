"""A room's notes at the server: the last events by number, and who holds what. Pure. PROTOCOL.md, "Down: notes"."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtcserver.channel.down.messages import note_row
from rtcserver.channel.notes import NoteState
from rtcserver.midi import performers

JOURNAL_EVENTS = 1024


class JournalEntry(NamedTuple):
    """One event. sequence: its number, not wrapped. at_ns: when it was taken in. row: its bytes; see `note_row`."""

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
        self._entries: deque[JournalEntry] = deque(maxlen=JOURNAL_EVENTS)

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
        self._entries.append(JournalEntry(self.newest, now_ns, media_time, note_row(performer, message)))

    def recent(self, since_ns: int, after: int) -> list[JournalEntry]:
        """Entries of the journal that are not older than `since_ns` or whose number is above `after`."""
        found: list[JournalEntry] = []
        for entry in reversed(self._entries):
            if entry.at_ns < since_ns and entry.sequence <= after:
                break
            found.append(entry)
        return found[::-1]

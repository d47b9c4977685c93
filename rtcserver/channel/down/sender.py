"""What is sent to everyone, and when. Pure. PROTOCOL.md, "Down: notes", "Sending".

One `DownSender` for each cadence of a room; its messages go to all sessions of that cadence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from rtcserver.channel import cells
from rtcserver.channel.down.journal import JOURNAL_EVENTS, Journal, JournalEntry
from rtcserver.channel.down.messages import MAX_NOTES_EVENTS, OwnedCell, StatePart, pack_notes
from rtcserver.channel.wire import MAX_MESSAGE

MS = 1_000_000
REPEAT_WINDOW_NS = 700 * MS
"""How long an event is repeated in every message."""
STATE_ACTIVE_NS = 250 * MS
STATE_IDLE_NS = 1000 * MS
STATE_PARTS = 4
"""Parts of the state in one round."""
_MAX_DELTA = 0x7FFF_FFFF
_HEADER_BYTES, _EVENT_BYTES, _RANGE_BYTES, _CELL_BYTES = 16, 8, 8, 5


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often notes leave for one kind of session; PROTOCOL.md has the table.

    interval_ns: least time between two messages with new events, and before a message without any.
    repeats_ns: times after the last event at which it is sent again, ascending.
    """

    interval_ns: int
    repeats_ns: tuple[int, ...]


LISTEN = Cadence(40 * MS, tuple(ms * MS for ms in (40, 80, 120, 160, 200, 240, 280, 320, 480, 640)))
SLOW = Cadence(320 * MS, (320 * MS, 640 * MS))
"""For networks that carry little beside the low tier: about 7 kb/s while somebody plays."""
HIDDEN = Cadence(2000 * MS, (2000 * MS,))
"""For pages that nobody sees: no key of theirs lights, and each message would wake the page."""
STUDIO = Cadence(4 * MS, tuple(ms * MS for ms in (10, 20, 40, 80, 120, 160, 200, 240, 280, 320, 480, 640)))


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


def _chunks(entries: list[JournalEntry], fresh: int) -> list[list[JournalEntry]]:
    """Messages' worth of entries: all fresh ones, and in the last message as many earlier ones as fit."""
    out: list[list[JournalEntry]] = []
    rest = entries[max(0, len(entries) - max(fresh, MAX_NOTES_EVENTS)) :]
    while len(rest) > MAX_NOTES_EVENTS:
        out.append(rest[:MAX_NOTES_EVENTS])
        rest = rest[MAX_NOTES_EVENTS:]
    return [*out, rest]


def _packed(
    entries: Sequence[JournalEntry], newest: int, media_now: int, part: StatePart | None = None
) -> bytes:
    # A jump of the media clock must not make a message that cannot be packed.
    rows = [(max(-_MAX_DELTA, min(_MAX_DELTA, entry[2] - media_now)), entry[3]) for entry in entries]
    return pack_notes(newest & 0xFFFF_FFFF, media_now, rows, part)


def _packed_with(
    entries: list[JournalEntry], parts: list[StatePart], newest: int, media_now: int
) -> list[bytes]:
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

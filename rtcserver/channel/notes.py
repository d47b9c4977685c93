"""Who holds which keys and pedals, and what the instrument has to be told when several do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.codec import OwnedCell

_NOTHING: Mapping[int, int] = MappingProxyType({})


class Change(NamedTuple):
    """A write to one cell. merged_before, merged_after: the greatest value of all holders."""

    performer: int
    cell: int
    before: int
    after: int
    merged_before: int
    merged_after: int


class NoteState:
    """All cells of a room by performer. Takes messages in normal form; see `normal_form`."""

    def __init__(self) -> None:
        self._by_performer: dict[int, dict[int, int]] = {}

    def normal_form(self, performer: int, message: bytes) -> list[bytes]:
        """What a message of `performer` becomes (PROTOCOL.md, "normal form"); [] if it is dropped."""
        return cells.normal_form(message, self._by_performer.get(performer, {}))

    def apply(self, performer: int, message: bytes) -> Change | None:
        """Take in a message in normal form. None if it leaves no state."""
        write = cells.write_of(performer, message)
        if write is None:
            return None
        merged_before = self.merged(write.cell)
        mine = self._by_performer.setdefault(write.performer, {})
        before = mine.get(write.cell, 0)
        if write.value or not cells.owned(write.cell):
            mine[write.cell] = write.value
        else:
            mine.pop(write.cell, None)
            if not mine:
                del self._by_performer[write.performer]
        return Change(
            write.performer, write.cell, before, write.value, merged_before, self.merged(write.cell)
        )

    def merged(self, cell: int) -> int:
        """What the instrument should have: the greatest value of all holders, 0 for none."""
        return max((mine.get(cell, 0) for mine in self._by_performer.values()), default=0)

    def holders(self, cell: int) -> tuple[int, ...]:
        """Performers who hold this cell, ascending."""
        return tuple(sorted(who for who, mine in self._by_performer.items() if mine.get(cell)))

    def held(self, performer: int) -> Mapping[int, int]:
        """(cell → value) of what a performer holds, or of the room's values for performer 0. A live view."""
        mine = self._by_performer.get(performer)
        return _NOTHING if mine is None else MappingProxyType(mine)

    def releases(self, performer: int) -> list[bytes]:
        """The messages that end all that a performer holds: keys first, then pedals. Changes nothing."""
        return releases(self.held(performer))

    def cells(self) -> list[OwnedCell]:
        """Everything, ascending by key."""
        return sorted(
            OwnedCell(who, cell, value)
            for who, mine in self._by_performer.items()
            for cell, value in mine.items()
        )


def releases(held: Mapping[int, int]) -> list[bytes]:
    """The messages that end all that is held: keys, then pedals."""
    ordered = sorted((not cells.is_note(cell), cell) for cell in held if cells.owned(cell))
    return [cells.message_of(cell, 0) for _, cell in ordered]


def for_instrument(change: Change | None, message: bytes) -> bytes | None:
    """What the instrument is sent for a message that made `change`, or None.

    A key that is pressed again is struck again. It is let go when its last holder does so; a pedal follows
    the greatest of its holders. What nobody held is not released: a hand may be on it at the instrument.
    """
    if change is None or not cells.owned(change.cell):
        return message
    if cells.is_note(change.cell):
        if change.after:
            return message
        return message if change.before and not change.merged_after else None
    if change.merged_after == change.merged_before:
        return None
    return cells.message_of(change.cell, change.merged_after)

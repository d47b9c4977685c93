"""Who holds which keys and pedals in a room, and who moved its wheels last: what everyone sees. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rtcserver.channel import cells
from rtcserver.channel.down.messages import OwnedCell
from rtcserver.midi import message as m

_NOTHING: Mapping[int, int] = MappingProxyType({})
_NEUTRAL: Mapping[int, int] = {
    cells.BEND: m.BEND_CENTRE,
    cells.PRESSURE: 0,
    **{cells.CONTROLLER | controller: value for controller, value in m.NEUTRAL.items()},
}
"""Slots whose values go back to neutral when whoever moved them leaves, and what neutral is."""


class NoteState:
    """All cells of a room by performer. Takes messages in normal form; see `normal_form`."""

    def __init__(self) -> None:
        self._by_performer: dict[int, dict[int, int]] = {}
        self._movers: dict[int, int] = {}
        """Cell of a bend and the like → the performer who moved it last; absent while it is neutral."""

    def normal_form(self, performer: int, message: bytes) -> list[bytes]:
        """What a message of `performer` becomes (PROTOCOL.md, "normal form"); [] if it is dropped."""
        return cells.normal_form(message, self.held(performer))

    def apply(self, performer: int, message: bytes) -> None:
        """Take in a message in normal form."""
        write = cells.write_of(performer, message)
        if write is None:
            return
        mine = self._by_performer.setdefault(write.performer, {})
        if write.value or not cells.owned(write.cell):
            mine[write.cell] = write.value
        else:
            mine.pop(write.cell, None)
            if not mine:
                del self._by_performer[write.performer]
        if (neutral := _NEUTRAL.get(write.cell & 0xFFF)) is not None:
            if write.value == neutral:
                self._movers.pop(write.cell, None)
            else:
                self._movers[write.cell] = performer

    def held(self, performer: int) -> Mapping[int, int]:
        """(cell → value) of what a performer holds, or of the room's values for performer 0. A live view."""
        mine = self._by_performer.get(performer)
        return _NOTHING if mine is None else MappingProxyType(mine)

    def releases(self, performer: int) -> list[bytes]:
        """The messages that end all that a performer holds: keys first, then pedals. Changes nothing."""
        return cells.releases(self.held(performer))

    def returns(self, performer: int) -> list[bytes]:
        """The messages that bring back to neutral what a performer was the last to move. Changes nothing."""
        moved = sorted(cell for cell, mover in self._movers.items() if mover == performer)
        return [cells.message_of(cell, _NEUTRAL[cell & 0xFFF]) for cell in moved]

    def cells(self) -> list[OwnedCell]:
        """Everything, ascending by key."""
        return sorted(
            OwnedCell(who, cell, value)
            for who, mine in self._by_performer.items()
            for cell, value in mine.items()
        )

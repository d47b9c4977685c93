"""The performers of a room: who has which number, and how long a number rests before it is given again. Pure."""

from __future__ import annotations

from rtcserver.clock import NS
from rtcserver.midi.performers import FIRST, LAST

REST_NS = 10 * NS
"""A number is not given again for so long: what is under way of its last owner is nobody else's."""


class Performers:
    """The performers of a room, by number."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._free_ns: dict[int, int] = {}

    def admit(self, name: str, now_ns: int) -> int | None:
        """A number for one more performer, or None if all are taken or rest."""
        for number in range(FIRST, LAST + 1):
            if number not in self._names and now_ns >= self._free_ns.get(number, now_ns):
                self._names[number] = name or f"Performer {number - FIRST + 1}"
                return number
        return None

    def rename(self, number: int, name: str) -> None:
        """Another name for a performer who is here."""
        if name and number in self._names:
            self._names[number] = name

    def leave(self, number: int, now_ns: int) -> None:
        """A number begins its rest."""
        if self._names.pop(number, None) is not None:
            self._free_ns[number] = now_ns + REST_NS

    def present(self) -> list[tuple[int, str]]:
        """(number, name) of all, ascending."""
        return sorted(self._names.items())

"""Listeners who change from one session to another: for a while they have two, and take one place.

A page that changes between Listen and Studio opens its second session before it closes the first, so that it is heard all
the time. Where every place of a room is taken, the second one is let in if its client proves that the first is its own:
it names the first one's id, which only its client knows (`rtcserver.peer.base.new_session_id`).

A session counts as one that is left only while it has a place of its own, and for one other at a time: there are never more
than two sessions for a place, and after `SWITCH_S` the first one is ended.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

SWITCH_S = 45.0
"""How long both may be open: longer than a page waits for Studio's first samples (`static/studio/session.js`)."""


@dataclass(frozen=True, slots=True)
class _Switch:
    left: str
    room: str
    ends: asyncio.TimerHandle


class Switches:
    """The pairs of sessions that are one listener. Loop-bound.

    end: called with the id of a session that was to be left and is open after `SWITCH_S`.
    """

    def __init__(self, end: Callable[[str], None]) -> None:
        self._end = end
        self._to: dict[str, _Switch] = {}
        """By the id of the session that is changed to."""
        self._from: dict[str, str] = {}
        """The session that is changed to, by the one that is left."""
        self._in_room: Counter[str] = Counter()

    def open(self, room: str | None = None) -> int:
        """How many sessions of a room, or of all (None), take no place of their own at this moment."""
        return len(self._to) if room is None else self._in_room[room]

    def may_leave(self, session: str) -> bool:
        """Whether another session may take this one's place: it has one, and no other is about to take it."""
        return session not in self._from and session not in self._to

    def begin(self, left: str, to: str, room: str) -> None:
        """One listener of `room` changes from the session `left`, which `may_leave`, to the session `to`."""
        ends = asyncio.get_running_loop().call_later(SWITCH_S, self._end, left)
        self._to[to] = _Switch(left, room, ends)
        self._from[left] = to
        self._in_room[room] += 1

    def ended(self, session: str) -> None:
        """A session is over: if it was one of two, the other one has the place."""
        switch = self._to.pop(self._from.get(session, session), None)
        if switch is None:
            return
        switch.ends.cancel()
        del self._from[switch.left]
        self._in_room[switch.room] -= 1

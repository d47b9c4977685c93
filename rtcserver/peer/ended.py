"""Sessions that ended by themselves a moment ago, so that a client may still say that it leaves. Pure.

Players close their peer connection first and send DELETE afterwards: by then the transport has noticed, and the
session is gone. To the player that is no error: what it asks for has been done.
"""

from __future__ import annotations

from collections import OrderedDict

from rtcserver.clock import NS

REMEMBERED_NS = 60 * NS
MAX_REMEMBERED = 4096
"""Sessions that are remembered at most; the oldest is forgotten first."""


class EndedSessions:
    """The ids of sessions that have ended within the last minute, each with its room."""

    def __init__(self) -> None:
        self._ended: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def add(self, session_id: str, room: str, now_ns: int) -> None:
        """Remember a session that has just ended."""
        self._ended[session_id] = room, now_ns
        if len(self._ended) > MAX_REMEMBERED:
            self._ended.popitem(last=False)

    def take(self, session_id: str, room: str, now_ns: int) -> bool:
        """Whether this session of this room ended within the last minute; it is forgotten with that."""
        while self._ended and now_ns - next(iter(self._ended.values()))[1] > REMEMBERED_NS:
            self._ended.popitem(last=False)
        if self._ended.get(session_id, ("", 0))[0] != room:
            return False
        del self._ended[session_id]
        return True

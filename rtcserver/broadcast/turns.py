"""Whose sender report comes next. Pure."""

from __future__ import annotations

from collections import OrderedDict

from rtcserver.broadcast.group import ListenerState
from rtcserver.clock import NS

REPORT_INTERVAL_NS = 5 * NS
"""Time between two sender reports to a listener: what RFC 3550, section 6.2, recommends at least."""
MAX_REPORTS = 64
"""Sender reports in one go: about half a millisecond."""
TOGETHER = 8
"""Reports that wait for each other, for a second at most: one that comes alone finds caches that have forgotten how to make
it, and costs four times as much."""


class ReportTurns:
    """The listeners in the order of their turns."""

    def __init__(self) -> None:
        self._due: OrderedDict[int, ListenerState] = OrderedDict()
        self._new: OrderedDict[int, ListenerState] = OrderedDict()
        """Newcomers, who have had no sender report yet."""
        self._owed = 0.0

    def add(self, listener: ListenerState) -> None:
        """A newcomer."""
        self._new[listener.spec.listener_id] = listener

    def remove(self, listener_id: int) -> None:
        """One who has left."""
        self._new.pop(listener_id, None)
        self._due.pop(listener_id, None)

    def take(self, elapsed_ns: int) -> list[ListenerState]:
        """Those whose turn has come, with `elapsed_ns` since the last call: newcomers first, `MAX_REPORTS` at most.

        The others come `TOGETHER`, or as many as become due in a second if that is less.
        """
        listeners = len(self._due) + len(self._new)
        self._owed = min(self._owed + listeners * elapsed_ns / REPORT_INTERVAL_NS, MAX_REPORTS)
        turns: list[ListenerState] = []
        while self._new and len(turns) < MAX_REPORTS:
            turns.append(self._new.popitem(last=False)[1])
        if turns or self._owed >= min(TOGETHER, listeners * NS // REPORT_INTERVAL_NS):
            while self._due and self._owed >= 1 and len(turns) < MAX_REPORTS:
                self._owed -= 1
                turns.append(self._due.popitem(last=False)[1])
        for listener in turns:
            self._due[listener.spec.listener_id] = listener
        return turns

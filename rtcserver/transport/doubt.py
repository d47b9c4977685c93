"""Whether a client has moved that does not know it: checks come on another path, and none on the selected one. Pure.

Checks for consent come every few seconds (RFC 7675, section 5.1), and clients with several pairs check the others as
well. So a check on another path alone says nothing. The selected path is asked, by Binding requests of ours, whether it is
still there: if an answer or a check comes from there, nothing changes; if none does, the other path takes over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rtcserver.transport.address import Path
from rtcserver.transport.ice_agent import IceAgent, IceState

DOUBT_NS = 1_500_000_000
"""Without a check on the selected path for this long, a check on another one lets it be asked whether it is still there."""
DOUBT_ASKS = 3
"""Requests by which it is asked; if none is answered, the other path takes over,"""
DOUBT_PACE_NS = 200_000_000
"""so long after the last of them. There is as much between two."""


class _Doubt:
    """Whether the selected path is still there: checks come on another one, `path`, since `since_ns`, and none on it.

    asked: how often it was asked, and asked_ns: when for the last time.
    """

    __slots__ = ("asked", "asked_ns", "path", "since_ns")

    def __init__(self, path: Path, since_ns: int) -> None:
        self.path = path
        self.since_ns = since_ns
        self.asked = self.asked_ns = 0


class Doubts:
    """Those of all agents. challenge: makes a request for a path. select: selects a proven path, and says whether it did."""

    def __init__(
        self,
        challenge: Callable[[IceAgent, Path], bytes],
        select: Callable[[IceAgent, Path], bool],
        counters: Counter[str],
    ) -> None:
        self._challenge = challenge
        self._select = select
        self._counters = counters
        self._doubts: dict[IceAgent, _Doubt] = {}

    def begin(self, agent: IceAgent, path: Path, now_ns: int) -> None:
        """A check came on `path`. It changes nothing while there is a doubt already."""
        if agent not in self._doubts:
            self._doubts[agent] = _Doubt(path, now_ns)

    def end(self, agent: IceAgent) -> None:
        """Forget it. Idempotent."""
        self._doubts.pop(agent, None)

    def settle(self, now_ns: int, send: Callable[[bytes, Path], object]) -> list[IceAgent]:
        """Ask what is to be asked, and leave paths that do not answer. For a timer, some times a second.

        now_ns: up to when everything that arrived was received. Returns the agents whose path is another one now.
        """
        moved = []
        for agent, doubt in tuple(self._doubts.items()):
            selected = agent.selected
            known = agent.bound.get(selected) if selected is not None else None
            if (
                selected is None
                or known is None
                or known.last_ns > doubt.since_ns
                or agent.state is not IceState.SELECTED
                or doubt.path not in agent.bound
            ):
                self.end(agent)
                continue
            if now_ns - doubt.asked_ns < DOUBT_PACE_NS:
                continue
            if doubt.asked < DOUBT_ASKS:
                doubt.asked += 1
                doubt.asked_ns = now_ns
                send(self._challenge(agent, selected), selected)
                if not agent.is_proven(doubt.path):
                    send(self._challenge(agent, doubt.path), doubt.path)
                continue
            self.end(agent)
            self._counters["stun_left_for_dead"] += 1
            if self._select(agent, doubt.path):
                moved.append(agent)
        return moved

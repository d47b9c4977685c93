"""Load listeners that come back when their session ends, so that a server can be judged by how soon all are back.

They keep to the law of `rtcserver.client.patience`, but for one thing: where packets are missing, they do not ask
whether their session is still there, and join anew at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from rtcserver.client.patience import QUIET_S, wait_s
from rtcserver.clock import NS, monotonic_ns
from rtcserver.load.peer import JoinError, LoadPeer, Signaling
from rtcserver.load.report import Returns

LOOK_S = 0.05
_JOIN_S = 15.0


@dataclass(slots=True)
class _Heard:
    """What a listener had received when it was looked at, and when that last grew."""

    received: int
    at_ns: int


class Comeback:
    """Watches the listeners of a worker, whose event loop it runs on.

    peers: the worker's, to which those that are back are added. forget: takes one off them. make: a listener that
    has not joined.
    """

    def __init__(
        self,
        peers: list[LoadPeer],
        forget: Callable[[LoadPeer], None],
        make: Callable[[], LoadPeer],
        signaling: Signaling,
    ) -> None:
        self._peers = peers
        self._forget = forget
        self._make = make
        self._signaling = signaling
        self._heard: dict[LoadPeer, _Heard] = {}
        self._expected: set[LoadPeer] = set()
        """Those that have come back and have no packet yet."""
        self._joining: set[asyncio.Task[None]] = set()
        self._back = 0
        self._last_ns = 0

    async def run(self) -> None:
        """Watch, until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                now = monotonic_ns()
                for peer in tuple(self._peers):
                    self._look(peer, now)
        finally:
            for task in self._joining:
                task.cancel()

    def take(self) -> Returns:
        """How it went since it was last taken."""
        away = len(self._joining) + len(self._expected)
        found = Returns(len(self._peers) - len(self._expected), away, self._back, self._last_ns)
        self._back = self._last_ns = 0
        return found

    def _look(self, peer: LoadPeer, now: int) -> None:
        heard = self._heard.setdefault(peer, _Heard(peer.stream.received, now))
        if peer.stream.received > heard.received:
            heard.received, heard.at_ns = peer.stream.received, now
            if peer in self._expected:
                self._expected.discard(peer)
                self._back += 1
                self._last_ns = now
        elif peer.ended or now - heard.at_ns > QUIET_S * NS:
            self._forget(peer)
            self._heard.pop(peer)
            self._expected.discard(peer)
            task = asyncio.get_running_loop().create_task(self._bring_back(peer))
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)

    async def _bring_back(self, lost: LoadPeer) -> None:
        # A session that the server has ended needs no DELETE; one that is only quiet may still be there.
        leaving = asyncio.get_running_loop().create_task(lost.leave())
        attempt, asked_s = 0, 0.0
        while True:
            # The first time, too: those who lose a server together do not come back in one tick.
            attempt += 1
            await asyncio.sleep(wait_s(attempt, random.random(), asked_s))
            peer = self._make()
            try:
                await peer.join(self._signaling, _JOIN_S)
                break
            except JoinError as error:
                asked_s = error.retry_after_s
        await leaving
        self._expected.add(peer)
        self._peers.append(peer)

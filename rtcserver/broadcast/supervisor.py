"""Keeps a broadcast process running: restarts it with backoff, with the same sockets and feeds.

Listeners are not brought back: their keys die with the process (a design rule), so their owner is told
and lets them reconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtcserver.broadcast.client import BroadcastClient
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import ProcessError

log = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0
STEADY_NS = 30 * NS
"""A process that has run for so long starts the backoff anew."""
PROGRESS_TIMEOUT_NS = 5 * NS
"""A process that has not reported for so long hangs and is killed."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A room's feed, to be given to each new process. `anchor` is read anew each time."""

    sock: socket.socket
    frame_samples: int
    anchor: Callable[[], tuple[int, int]]


class BroadcastSupervisor:
    """Owns the current `BroadcastClient`. Loop-bound.

    udp_sockets stay the caller's. on_lost is called when a process has ended and all listeners with it,
    on_restarted when the next one takes listeners; on_refused as in `BroadcastClient`.
    """

    def __init__(
        self,
        udp_sockets: Sequence[socket.socket],
        *,
        on_lost: Callable[[], None] | None = None,
        on_restarted: Callable[[], None] | None = None,
        on_refused: Callable[[int, str], None] | None = None,
    ) -> None:
        self._udp_sockets = udp_sockets
        self._on_lost = on_lost
        self._on_restarted = on_restarted
        self._on_refused = on_refused
        self._feeds: dict[str, Feed] = {}
        self._exited = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.client: BroadcastClient | None = None
        """The running process, or None between two of them."""
        self.restarts = 0

    async def start(self) -> None:
        """Start the first process. Raises ProcessError if that fails."""
        self.client = await self._launch()
        self._task = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """End the process and stop restarting it. Idempotent, bounded in time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        client, self.client = self.client, None
        if client is not None:
            await client.close()

    def add_feed(
        self, room: str, sock: socket.socket, frame_samples: int, anchor: Callable[[], tuple[int, int]]
    ) -> None:
        """Serve a room, now and after each restart.

        anchor returns (media time, monotonic ns) of the room's timeline: where silence begins.
        """
        feed = self._feeds[room] = Feed(sock, frame_samples, anchor)
        if self.client is not None:
            self.client.add_feed(room, feed.sock, feed.frame_samples, feed.anchor())

    def remove_feed(self, room: str) -> None:
        """Stop serving a room."""
        if self._feeds.pop(room, None) is not None and self.client is not None:
            self.client.remove_feed(room)

    async def _launch(self) -> BroadcastClient:
        self._exited.clear()
        client = BroadcastClient(on_exit=self._on_exit, on_refused=self._on_refused)
        await client.start(self._udp_sockets)
        for room, feed in self._feeds.items():
            client.add_feed(room, feed.sock, feed.frame_samples, feed.anchor())
        return client

    def _on_exit(self, code: int) -> None:
        log.error("the broadcast process has ended (%s)", code)
        self.client = None
        self._exited.set()
        if self._on_lost is not None:
            self._on_lost()

    async def _supervise(self) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            began = monotonic_ns()
            await self._until_exit()
            if monotonic_ns() - began > STEADY_NS:
                backoff = FIRST_BACKOFF_S
            while self.client is None:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF_S)
                try:
                    client = await self._launch()
                    self.restarts += 1
                    # It may have ended again already, in which case nothing more will be heard of it.
                    self.client = client if client.alive else None
                    if self.client is not None and self._on_restarted is not None:
                        self._on_restarted()
                except (ProcessError, OSError) as error:
                    log.error("the broadcast process cannot be restarted: %s", error)

    async def _until_exit(self) -> None:
        """Return when the process has ended; kill it if it stops reporting."""
        latest, seen_ns = None, monotonic_ns()
        while not self._exited.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exited.wait(), 1.0)
            client = self.client
            if client is None:
                continue
            if client.report is not latest:
                latest, seen_ns = client.report, monotonic_ns()
            elif monotonic_ns() - seen_ns > PROGRESS_TIMEOUT_NS:
                client.kill("reports nothing any more")
                seen_ns = monotonic_ns()

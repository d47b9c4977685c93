"""A process full of load listeners: one event loop for joins, sockets drained in turn.

Commands come through a pipe as tuples, ``(name, *arguments)``; each is answered by ``(name, result)``
when it is done, and ``("progress", FleetProgress)`` comes in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from rtcserver.channel import announce
from rtcserver.clock import NS, monotonic_ns
from rtcserver.load import stream
from rtcserver.load.comeback import Comeback
from rtcserver.load.drain import Drain
from rtcserver.load.dtls import ClientContext
from rtcserver.load.peer import CHECK_NS, JoinError, LoadPeer
from rtcserver.load.report import Joins, Window
from rtcserver.load.signaling import make
from rtcserver.load.waiter import Waiter

TICK_S = 0.01
MIN_ROUND_S = 0.1
CALLS_PER_S = 5000
"""Receive calls a second at most: with many listeners each socket waits longer for its turn."""
MAX_JOINING = 64
SAMPLE_EVERY = 50
"""One listener in so many also decrypts packets."""
PROGRESS_S = 0.25
STOP_S = 5.0
STUDIO_SIGNALING = "rtcserver.load.signaling:StudioSignaling"
STUDIO_READY = announce.pack("studio_ready", {"version": 1})
"""What the page says when its worker is there; this listener needs none, as it decodes nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """signaling: ``module:Class`` of a `peer.Signaling`. cpus: to run on, or () for any.

    capture: keep the newest datagram of each listener, for `Fleet.captured`.
    waiting: each listener has a thread that the kernel wakes for each packet, as it would one in a process
    of its own; without it, sockets are emptied in turn and nobody is woken.
    red: each listener's offer has RED. As it reports no losses, and neither that there are none, the server goes on to
    send it one earlier frame in each packet.
    studio: over WHEP, each listener asks for Studio's PCM; its data channel is ``telemetry``.
    insecure: over WHEP, accept any TLS certificate.
    returning: a listener whose session ends comes back, as the page does; it needs `datachannel` or `studio`, as the
    server's goodbye comes with the TLS that they use.
    """

    url: str
    signaling: str = "rtcserver.load.signaling:WhepSignaling"
    datachannel: bool = False
    cpus: tuple[int, ...] = ()
    capture: bool = False
    waiting: bool = False
    red: bool = False
    studio: bool = False
    insecure: bool = False
    returning: bool = False


@dataclass(frozen=True, slots=True)
class FleetProgress:
    """How far a worker is: listeners that stay, joins that failed, packets received so far."""

    listening: int
    joined: int
    failed: int
    packets: int


class Worker:
    """The listeners of this process."""

    def __init__(self, options: Options, connection: Connection) -> None:
        self._options = options
        self._connection = connection
        self._peers: list[LoadPeer] = []
        self._context = ClientContext()
        signaling = STUDIO_SIGNALING if options.studio else options.signaling
        self._signaling = make(signaling, options.url, insecure=options.insecure)
        self._drain = Drain()
        self._began_ns = 0
        self._began_cpu_s = 0.0
        self._joined = 0
        self._failed = 0
        self._turn = 0
        self._behind = 0.0
        self._latest: dict[LoadPeer, bytes] = {}
        self._waiters: dict[LoadPeer, Waiter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._comeback = Comeback(self._peers, self._forget, self._peer, self._signaling)

    async def run(self) -> None:
        """Serve commands until ``quit`` or the end of the pipe."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._connection.fileno(), self._command)
        steady = [asyncio.create_task(self._drain_in_turn()), asyncio.create_task(self._tell_progress())]
        if self._options.returning:
            steady.append(asyncio.create_task(self._comeback.run()))
        try:
            await self._stopped.wait()
        finally:
            loop.remove_reader(self._connection.fileno())
            for task in (*steady, *self._tasks):
                task.cancel()
            await asyncio.gather(*steady, *self._tasks, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._leave(len(self._peers))
            await self._signaling.shut_down()

    def _command(self) -> None:
        try:
            name, *arguments = self._connection.recv()
        except (EOFError, OSError):
            name, arguments = "quit", []
        if name == "quit":
            self._stopped.set()
            return
        task = asyncio.get_running_loop().create_task(self._serve(name, arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, name: str, arguments: list[Any]) -> None:
        result: Any = None
        if name == "join":
            result = await self._join(*arguments)
        elif name == "leave":
            await self._leave(*arguments)
        elif name == "begin":
            self._begin()
        elif name == "end":
            result = self._end()
        elif name == "captured":
            result = self._captured()
        elif name == "returns":
            result = self._comeback.take()
        self._tell((name, result))

    def _tell(self, message: tuple[str, Any]) -> None:
        try:
            self._connection.send(message)
        except OSError:
            self._stopped.set()

    # Joining and leaving

    async def _join(self, count: int, per_second: float, stay_s: float, limit: int) -> Joins:
        """Join `count` listeners, evenly at `per_second` (0: as fast as `limit` at a time allows).

        stay_s: leave again after so many seconds; negative: stay.
        """
        result = Joins()
        began = monotonic_ns()
        free = asyncio.Semaphore(limit or MAX_JOINING)
        running: set[asyncio.Task[None]] = set()
        for number in range(count):
            if per_second:
                due = began + int(number / per_second * NS)
                await asyncio.sleep(max(0.0, (due - monotonic_ns()) / NS))
            await free.acquire()
            task = asyncio.create_task(self._join_one(number, stay_s, result, free))
            running.add(task)
            task.add_done_callback(running.discard)
        while running:
            await asyncio.wait(tuple(running))
        result.seconds = (monotonic_ns() - began) / NS
        return result

    async def _join_one(self, number: int, stay_s: float, result: Joins, free: asyncio.Semaphore) -> None:
        peer = self._peer(sample=number % SAMPLE_EVERY == 0)
        try:
            took_ns = await peer.join(self._signaling)
        except JoinError as error:
            result.failures[str(error)] += 1
            self._failed += 1
            free.release()
            return
        result.joined += 1
        result.times_ms.append(took_ns / 1e6)
        self._joined += 1
        self._peers.append(peer)
        if self._options.waiting:
            waiter = Waiter(peer, asyncio.get_running_loop(), capture=self._options.capture)
            self._waiters[peer] = waiter
            waiter.start()
        if stay_s < 0:
            free.release()
            return
        if stay_s > 0:
            free.release()
            await asyncio.sleep(stay_s)
        self._forget(peer)
        await peer.leave()
        if stay_s == 0:
            free.release()

    def _peer(self, *, sample: bool = False) -> LoadPeer:
        options = self._options
        say = STUDIO_READY if options.studio else ""
        return LoadPeer(
            self._context, datachannel=options.datachannel, sample=sample, say=say, red=options.red
        )

    async def _leave(self, count: int) -> None:
        leaving = [self._peers[-1 - n] for n in range(min(count, len(self._peers)))]
        for peer in leaving:
            self._forget(peer)
        for at in range(0, len(leaving), MAX_JOINING):
            await asyncio.gather(*(peer.leave() for peer in leaving[at : at + MAX_JOINING]))

    def _forget(self, peer: LoadPeer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)
        self._latest.pop(peer, None)
        self._waiters.pop(peer, None)

    # Receiving

    async def _drain_in_turn(self) -> None:
        last = monotonic_ns()
        while True:
            await asyncio.sleep(TICK_S)
            now = monotonic_ns()
            whole = max(MIN_ROUND_S, len(self._peers) / CALLS_PER_S)
            self._behind += len(self._peers) * (now - last) / NS / whole
            last = now
            share = min(int(self._behind), len(self._peers))
            self._behind = min(self._behind - share, len(self._peers))
            self._turn %= max(1, len(self._peers))
            chosen = self._peers[self._turn : self._turn + share]
            chosen += self._peers[: share - len(chosen)]
            self._turn += share
            self._take(chosen)

    def _take(self, peers: Iterable[LoadPeer]) -> None:
        now = monotonic_ns()
        for peer in peers:
            if peer.sock is None:
                continue
            more = not self._options.waiting
            while more:
                batch, others, more = self._drain.take(peer.sock, peer.port, peer.stream)
                for datagram in others:
                    peer.take(datagram)
                if batch is not None:
                    if peer.srtp is not None:
                        peer.verify(batch.rows[0, : batch.lengths[0]].tobytes())
                    if self._options.capture:
                        self._latest[peer] = batch.rows[-1, : batch.lengths[-1]].tobytes()
            if now >= peer.next_check_ns:
                peer.next_check_ns = now + int(CHECK_NS * random.uniform(0.8, 1.2))
                peer.check()

    # Measuring

    def _begin(self) -> None:
        self._began_ns = monotonic_ns()
        self._began_cpu_s = time.process_time()
        for peer in self._peers:
            peer.begin = self._mark(peer)
            if not self._options.waiting:
                peer.stream.anchor()
            peer.counted = peer.counts()

    def _end(self) -> Window:
        cpu_s = time.process_time() - self._began_cpu_s
        window = Window(seconds=(monotonic_ns() - self._began_ns) / NS, cpu_s=cpu_s)
        measured = [peer for peer in self._peers if peer.begin is not None]
        ends = [self._mark(peer) for peer in measured]
        pairs = [
            (peer.begin, end) for peer, end in zip(measured, ends, strict=True) if peer.begin is not None
        ]
        window.frame_samples = samples = stream.frame_samples(peer.stream for peer in measured)
        for begin, end in pairs:
            wanted = stream.expected(begin, end, samples)
            received = end.received - begin.received
            window.listeners += 1
            window.expected += wanted
            window.received += received
            window.lost += end.lost - begin.lost
            window.gaps += end.gaps - begin.gaps
            window.silent += received == 0
            share = received / wanted if wanted > 0 else 0.0
            if window.least < 0 or share < window.least_share:
                window.least, window.least_share = received, share
        totals: Counter[str] = Counter()
        for peer in measured:
            counts = peer.counts()
            counts.subtract(peer.counted)
            totals.update(counts)
            peer.begin = None
        for name, value in totals.items():
            setattr(window, name, value)
        window.strangers = self._drain.strangers + sum(w.strangers for w in self._waiters.values())
        return window

    def _mark(self, peer: LoadPeer) -> stream.Mark:
        """A listener's counts at this moment, with what is still in its socket."""
        self._take((peer,))
        waiter = self._waiters.get(peer)
        counted = peer.stream if waiter is None else waiter.stream()
        return counted.mark(monotonic_ns())

    def _captured(self) -> list[tuple[tuple[str, int], bytes]]:
        """The address of each listener and the newest RTP packet that it got."""
        self._latest |= {peer: waiter.latest for peer, waiter in self._waiters.items() if waiter.latest}
        return [
            (peer.sock.getsockname()[:2], packet)
            for peer, packet in self._latest.items()
            if peer.sock is not None
        ]

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            packets = sum(peer.stream.received for peer in self._peers)
            self._tell(("progress", FleetProgress(len(self._peers), self._joined, self._failed, packets)))


async def _run(options: Options, connection: Connection) -> None:
    await Worker(options, connection).run()


def main(options: Options, connection: Connection) -> None:
    """Entry point of the process."""
    if options.cpus:
        os.sched_setaffinity(0, options.cpus)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(options, connection))

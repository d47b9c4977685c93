"""How late datagrams leave while others join and the web is busy: from the captured block to the receiver's kernel.

For every datagram to every steady listener: the receiver's kernel timestamp (SO_TIMESTAMPNS; loopback stamps it in
the sender's own system call) less `EncodedPacket.captured_ns`, the arrival of the captured block that completes its
frame. Encoding, the hand-over between the processes, protection and the place in the batch are all in it.

The server is the product's own objects in a child process of the benchmark, which besides subscribes one more feed
of the instrument and hands it to the benchmark: that is where `captured_ns` comes from. A listener's timestamps are
matched to the feed's by decrypting one of its packets. Meanwhile listeners join, with a data channel, and leave
again after a second, and pages are fetched. The server may use all cores, the load generators only one.
With ``--studio N`` so many Studio listeners take their PCM beside them, and their gaps are counted. With ``--midi N`` so
many listeners get the notes of a performer who plays 50 events a second, and report telemetry (`benchmarks.midi_fanout`).

timer_p99_ms: how late a bare thread wakes that sleeps until each frame's time in the same run, with the scheduling
that the server's media processes have.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import Any, Self

import aiohttp
import numpy as np
import numpy.typing as npt

from benchmarks.midi_fanout import audience, performer
from benchmarks.rig.common import MachineCpu, emit, percentile, say
from benchmarks.rig.isolated import ADDRESS, isolate
from benchmarks.rig.outcome import LONG_S, main_of
from benchmarks.rig.serving import LOAD_CPU, free_port
from rtcserver.broadcast.process import PRIORITY
from rtcserver.children.scheduling import steady
from rtcserver.clock import NS
from rtcserver.encode.packet import MAX_RECORD, EncodedPacket
from rtcserver.load.drain import Drain, stamp
from rtcserver.load.dtls import ClientContext
from rtcserver.load.fleet import Fleet
from rtcserver.load.peer import CHECK_NS, LoadPeer
from rtcserver.load.signaling import WhepSignaling
from rtcserver.load.worker import Options

FRAME_MS = 20
EVENTS_PER_S = 50.0
"""Of the performer; see ``--midi``."""
DRAIN_S = 0.1
SETTLE_S = 3.0
STAY_S = 1.0
PAGES = ("/r/main", "/healthz", "/", "/metrics")


class Listener:
    """A steady listener and what has come to it. port: the server's."""

    def __init__(self, peer: LoadPeer) -> None:
        self.peer = peer
        self.timestamps: list[npt.NDArray[np.uint32]] = []
        self.arrived_ns: list[npt.NDArray[np.int64]] = []
        self.sample: tuple[int, int, bytes] | None = None
        """RTP timestamp, arrival and payload of one packet."""

    def drain(self, drain: Drain) -> None:
        """Take what has come since the last time."""
        peer, more = self.peer, True
        while more and peer.sock is not None:
            batch, others, more = drain.take(peer.sock, peer.port, peer.stream)
            for datagram in others:
                peer.take(datagram)
            if batch is None or batch.arrived_ns is None:
                continue
            self.timestamps.append(batch.timestamps)
            self.arrived_ns.append(batch.arrived_ns)
            # The newest one: what the feed held before anybody read it is incomplete.
            if peer.srtp is not None:
                plain = peer.srtp.unprotect(batch.rows[0, : batch.lengths[0]].tobytes())
                self.sample = int(batch.timestamps[0]), int(batch.arrived_ns[0]), plain[12:]

    def lateness(self, records: dict[int, EncodedPacket], wall_ahead_ns: int) -> tuple[list[float], int]:
        """ms for each datagram whose record is known, and the number of the others."""
        assert self.sample is not None, "nothing came"
        timestamp, arrived_ns, payload = self.sample
        # A steady tone's packets repeat: of several alike, it is the newest that was captured before.
        matching = [
            record
            for record in records.values()
            if record.payload == payload and record.captured_ns <= arrived_ns - wall_ahead_ns
        ]
        record = max(matching, key=lambda record: record.captured_ns)
        offset = timestamp - record.media_time
        late: list[float] = []
        unmatched = 0
        by_time = {(media + offset) & 0xFFFF_FFFF: found.captured_ns for media, found in records.items()}
        arrivals = np.concatenate(self.arrived_ns) - wall_ahead_ns
        for stamped, arrival in zip(np.concatenate(self.timestamps), arrivals, strict=True):
            captured = by_time.get(int(stamped))
            if captured is None:
                unmatched += 1
            else:
                late.append((int(arrival) - captured) / 1e6)
        return late, unmatched


class Run:
    """The measuring side. All on one event loop."""

    def __init__(self, port: int, feed: socket.socket) -> None:
        self._base = f"http://{ADDRESS}:{port}"
        self._feed = feed
        self._records: dict[int, EncodedPacket] = {}
        self._listeners: list[Listener] = []
        self._drain = Drain(timestamps=True)
        self._clock: list[int] = []
        self.http: Counter[str] = Counter()
        self.http_ms: list[float] = []

    async def run(self, listeners: int, seconds: float, requests_per_s: float, fleet: Fleet) -> list[float]:
        """Join, measure, and return how late each datagram was in ms."""
        loop = asyncio.get_running_loop()
        signaling, context = WhepSignaling(f"{self._base}/r/main"), ClientContext()
        for _ in range(listeners):
            peer = LoadPeer(context, sample=True)
            await peer.join(signaling)
            assert peer.sock is not None
            stamp(peer.sock)
            self._listeners.append(Listener(peer))
        await asyncio.sleep(SETTLE_S)
        for listener in self._listeners:
            # What came before the kernel was asked for timestamps has none.
            listener.drain(Drain())
        loop.add_reader(self._feed.fileno(), self._read_feed)
        await asyncio.sleep(0.1)
        web = asyncio.create_task(self._browse(requests_per_s))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(DRAIN_S)
            self._take()
        web.cancel()
        await asyncio.gather(web, return_exceptions=True)
        self._take()
        await asyncio.sleep(0.1)
        loop.remove_reader(self._feed.fileno())
        return await self._finish(signaling)

    async def _finish(self, signaling: WhepSignaling) -> list[float]:
        ahead = int(np.median(self._clock))
        late: list[float] = []
        for listener in self._listeners:
            values, unmatched = listener.lateness(self._records, ahead)
            late += values
            self.http["unmatched"] += unmatched
            await listener.peer.leave()
        await signaling.shut_down()
        return late

    @property
    def clock_spread_us(self) -> float:
        """How far wall and monotonic clock moved against one another: an error of the measurement."""
        return round((max(self._clock) - min(self._clock)) / 1e3, 1)

    def _take(self) -> None:
        before = time.time_ns()
        monotonic = time.monotonic_ns()
        after = time.time_ns()
        if after - before < 20_000:
            self._clock.append((before + after) // 2 - monotonic)
        for listener in self._listeners:
            listener.drain(self._drain)
            peer = listener.peer
            if monotonic >= peer.next_check_ns:
                peer.next_check_ns = monotonic + int(CHECK_NS * random.uniform(0.8, 1.2))
                peer.check()

    def _read_feed(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = EncodedPacket.unpack(self._feed.recv(MAX_RECORD))
                self._records[packet.media_time] = packet

    async def _browse(self, per_second: float) -> None:
        """Fetch pages evenly, whether or not earlier ones have come."""
        pending: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            began, count = time.monotonic(), 0
            while per_second:
                await asyncio.sleep(max(0.0, began + count / per_second - time.monotonic()))
                task = asyncio.create_task(self._fetch(http, PAGES[count % len(PAGES)]))
                pending.add(task)
                task.add_done_callback(pending.discard)
                count += 1

    async def _fetch(self, http: aiohttp.ClientSession, page: str) -> None:
        began = time.monotonic()
        try:
            async with http.get(self._base + page) as response:
                await response.read()
                self.http[str(response.status)] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.http[type(error).__name__] += 1
        self.http_ms.append(1000 * (time.monotonic() - began))


class Notes:
    """Listeners to the notes of a performer who plays all the while, in processes of their own."""

    def __init__(self, url: str, token: str, count: int, seconds: float) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._crowd = spawn.Process(target=audience, args=(url, count, theirs), daemon=True)
        self._player = spawn.Process(
            target=performer, args=(url, token, EVENTS_PER_S, seconds + 10), daemon=True
        )
        self._began = 0.0

    def __enter__(self) -> Self:
        self._crowd.start()
        if not self._pipe.poll(120) or self._pipe.recv() != "joined":
            raise RuntimeError("not all listeners to the notes could join")
        self._player.start()
        self._pipe.send("report")
        self._count()
        self._began = time.monotonic()
        return self

    def __exit__(self, *error: object) -> None:
        for process in (self._player, self._crowd):
            process.terminate()
            process.join(10)

    def per_second(self) -> float:
        """Messages with notes a second that all of them together got so far."""
        return round(self._count() / (time.monotonic() - self._began), 1)

    def _count(self) -> int:
        self._pipe.send("counts")
        counts, _ = self._pipe.recv()
        return sum(counts)


def _timer(seconds: float, results: Any) -> None:
    """The bare thread: how late it wakes for each frame, in ms."""
    scheduling = steady(PRIORITY)
    late = []
    period = FRAME_MS * NS // 1000
    due = time.monotonic_ns() + period
    end = due + int(seconds * NS)
    while due < end:
        time.sleep(max(0, due - time.monotonic_ns()) / NS)
        late.append((time.monotonic_ns() - due) / 1e6)
        due += period
    results.send((scheduling, late))


async def _serve(port: int, control: socket.socket, *, midi: bool) -> None:
    """The child: the product's server, and one more feed of its instrument for the benchmark."""
    from rtcserver.clock import NS, wall_ns
    from rtcserver.config.load import load
    from rtcserver.server.serve import Server

    kind = {"instrument": "fluidsynth", "demo": False} if midi else {"instrument": "tone"}
    flags = {**kind, "port": port, "frame_ms": FRAME_MS, "log_level": "error"}
    limits = {
        "max_half_open": 2000,
        "max_half_open_per_address": 2000,
        "studio_listeners": 1000,
        "max_offers_per_minute": 10_000,
    }
    server = Server(load({**flags, **limits}, {}, {}, toml_name=""))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    try:
        feed = server.rooms.all()[0].instrument.open_feed()
        token = server.tokens.link("main", int(wall_ns() / NS))
        socket.send_fds(control, [token.encode()], [feed.fileno()])
        await stop.wait()
    finally:
        await server.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--joins-per-second", type=float, default=20.0)
    parser.add_argument("--requests-per-second", type=float, default=50.0)
    parser.add_argument("--studio", type=int, default=0, metavar="N", help="Studio listeners beside them")
    parser.add_argument(
        "--midi", type=int, default=0, metavar="N", help="listeners to a performer's notes beside them"
    )
    parser.add_argument("--serve", nargs=2, type=int, metavar=("PORT", "FD"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        port, fd = arguments.serve
        asyncio.run(_serve(port, socket.socket(fileno=fd), midi=bool(arguments.midi)))
        return
    isolate("benchmarks.pacing")
    before = MachineCpu.now()
    port = free_port()
    ours, theirs = socket.socketpair()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.pacing", "--serve", str(port), str(theirs.fileno())),
            *("--midi", str(arguments.midi)),
        ],
        pass_fds=(theirs.fileno(),),
    )
    theirs.close()
    try:
        emit({**_measure(arguments, port, ours), "machine_busy_pct": before.busy_pct(MachineCpu.now())})
    finally:
        server.terminate()
        server.wait(15)


def _measure(arguments: argparse.Namespace, port: int, control: socket.socket) -> dict[str, Any]:
    control.settimeout(20)
    token, descriptors, _, _ = socket.recv_fds(control, 512, 1)
    feed = socket.socket(fileno=descriptors[0])
    feed.setblocking(False)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    timer = multiprocessing.get_context("spawn").Process(
        target=_timer, args=(arguments.seconds + SETTLE_S, theirs), daemon=True
    )
    if LOAD_CPU in os.sched_getaffinity(0):
        timer.start()
        os.sched_setaffinity(0, {LOAD_CPU})
    else:
        timer.start()
    url = f"http://{ADDRESS}:{port}/r/main"
    joins_per_s = arguments.joins_per_second
    run = Run(port, feed)
    with contextlib.ExitStack() as stack:
        fleet = stack.enter_context(Fleet(Options(url, datachannel=True, cpus=(LOAD_CPU,))))
        studio = None
        if arguments.studio:
            studio = stack.enter_context(Fleet(Options(url, studio=True, cpus=(LOAD_CPU,))))
            if studio.join(arguments.studio, at_a_time=16).joined < arguments.studio:
                raise RuntimeError("not all Studio listeners could join")
            studio.begin()
        notes = None
        if arguments.midi:
            notes = stack.enter_context(Notes(url, token.decode(), arguments.midi, arguments.seconds))
        if joins_per_s:
            whole = arguments.seconds + SETTLE_S + arguments.listeners / 50
            fleet.begin_join(int(joins_per_s * whole), per_second=joins_per_s, stay_s=STAY_S)
        say(f"{arguments.listeners} listeners, {joins_per_s:g} joins/s")
        late = asyncio.run(
            run.run(arguments.listeners, arguments.seconds, arguments.requests_per_second, fleet)
        )
        joins = fleet.end_join().figures() if joins_per_s else {}
        beside = studio.end() if studio else None
        heard = notes.per_second() if notes else None
    scheduling, timer_late = ours.recv()
    timer.join(5)
    timer_p99, p99 = percentile(timer_late, 99), percentile(late, 99)
    unmatched = run.http.pop("unmatched", 0)
    return {
        "listeners": arguments.listeners,
        "datagrams": len(late),
        "p50_ms": round(percentile(late, 50), 3),
        "p99_ms": round(p99, 3),
        "p999_ms": round(percentile(late, 99.9), 3),
        "max_ms": round(max(late), 3),
        "late_over_10ms": sum(value > 10 for value in late),
        "timer_p50_ms": round(percentile(timer_late, 50), 3),
        "timer_p99_ms": round(timer_p99, 3),
        "p99_over_timer_ms": round(p99 - timer_p99, 3),
        "timer_scheduling": scheduling,
        "unmatched": unmatched,
        "clock_spread_us": run.clock_spread_us,
        "http": dict(run.http),
        "http_p99_ms": round(percentile(run.http_ms, 99), 1) if run.http_ms else None,
        "joins": joins,
        "studio": beside.figures() if beside else {},
        "midi_messages_per_s": heard,
    }


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))

"""Load listeners spread over processes, for the command and for benchmarks. Blocking; one thread."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from rtcserver.errors import RtcServerError
from rtcserver.load import worker
from rtcserver.load.report import Joins, Returns, Window
from rtcserver.load.worker import FleetProgress, Options

STOP_S = 8.0


class LoadError(RtcServerError):
    """The load run cannot go on. The message is one sentence for a person."""


class Fleet:
    """Worker processes and their listeners. Use as a context manager.

    on_progress: called with the sums over all workers while something runs.
    """

    def __init__(
        self,
        options: Options,
        *,
        workers: int = 1,
        on_progress: Callable[[FleetProgress], None] | None = None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes = []
        self._progress: dict[Connection, FleetProgress] = {}
        self._on_progress = on_progress
        for number in range(workers):
            ours, theirs = context.Pipe()
            cpus = options.cpus
            if cpus and workers > 1:
                cpus = (cpus[number % len(cpus)],)
            process = context.Process(
                target=worker.main, args=(replace(options, cpus=cpus), theirs), daemon=True
            )
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return [process.pid for process in self._processes if process.pid is not None]

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all sessions and processes; bounded in time. Idempotent."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.send(("quit",))
        deadline = time.monotonic() + STOP_S
        for process in self._processes:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._processes.clear()

    def join(self, count: int, *, per_second: float = 0.0, stay_s: float = -1.0, at_a_time: int = 0) -> Joins:
        """Join `count` more listeners. per_second: at most so many; 0: as fast as the server takes them.

        stay_s: each leaves after so many seconds; negative: they stay. at_a_time: joins under way; 0: 64 a
        worker.
        """
        self.begin_join(count, per_second=per_second, stay_s=stay_s, at_a_time=at_a_time)
        return self.end_join()

    def begin_join(
        self, count: int, *, per_second: float = 0.0, stay_s: float = -1.0, at_a_time: int = 0
    ) -> None:
        """The same, without waiting: `end_join` does."""
        shares = self._shares(count)
        limits = self._shares(at_a_time) if at_a_time else [0] * len(shares)
        for connection, share, limit in zip(self._connections, shares, limits, strict=True):
            self._send(connection, ("join", share, per_second / len(shares), stay_s, limit))

    def end_join(self) -> Joins:
        """Wait for what `begin_join` began."""
        total = Joins()
        for result in self._collect("join"):
            total.add(result)
        return total

    def leave(self, count: int) -> None:
        """Have the `count` latest listeners leave."""
        for connection, share in zip(self._connections, self._shares(count), strict=True):
            self._send(connection, ("leave", share))
        self._collect("leave")

    def measure(self, seconds: float) -> Window:
        """Count what comes in during `seconds`."""
        self.begin()
        self.sleep(seconds)
        return self.end()

    def begin(self) -> None:
        """Begin to count."""
        self._all("begin")

    def end(self) -> Window:
        """What has come in since `begin`."""
        total = Window()
        for result in self._all("end"):
            total.add(result)
        return total

    def returns(self) -> Returns:
        """How the listeners that return have fared since this was asked before; with `Options.returning`."""
        total = Returns()
        for result in self._all("returns"):
            total.add(result)
        return total

    def captured(self) -> list[tuple[tuple[str, int], bytes]]:
        """Address and newest RTP packet of each listener; with `Options.capture`."""
        return [pair for result in self._all("captured") for pair in result]

    def sleep(self, seconds: float) -> None:
        """Wait, with progress."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for connection in wait(self._connections, left):
                assert isinstance(connection, Connection)
                self._receive(connection)

    def _shares(self, count: int) -> list[int]:
        n = len(self._connections)
        return [count // n + (index < count % n) for index in range(n)]

    def _all(self, name: str) -> list[Any]:
        for connection in self._connections:
            self._send(connection, (name,))
        return self._collect(name)

    def _send(self, connection: Connection, message: tuple[Any, ...]) -> None:
        try:
            connection.send(message)
        except OSError:
            raise LoadError("a process of the load generator has ended") from None

    def _collect(self, name: str) -> list[Any]:
        """One answer of each worker, in any order."""
        waiting = set(self._connections)
        results: list[Any] = []
        while waiting:
            for connection in wait(self._connections):
                assert isinstance(connection, Connection)
                answer, result = self._receive(connection)
                if answer == name:
                    waiting.discard(connection)
                    results.append(result)
        return results

    def _receive(self, connection: Connection) -> tuple[str, Any]:
        try:
            name, result = connection.recv()
        except (EOFError, OSError):
            raise LoadError("a process of the load generator has ended") from None
        if name == "progress":
            self._progress[connection] = result
            if self._on_progress is not None:
                parts = self._progress.values()
                self._on_progress(
                    FleetProgress(
                        sum(p.listening for p in parts),
                        sum(p.joined for p in parts),
                        sum(p.failed for p in parts),
                        sum(p.packets for p in parts),
                    )
                )
        return name, result

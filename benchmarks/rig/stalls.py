"""A witness of the machine: when did it stand still, for everybody?

A virtual machine's processors are taken away for milliseconds now and then, and no priority inside helps. One process for
each processor sleeps 2 ms at a time at a real-time priority above all that a benchmark starts, and notes when it woke late.
What happened then says something about the machine; what happened at other times, about us.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

LEAST_MS = 4.0
"""Shorter ones are not noted."""
_PERIOD_S = 0.002
_PRIORITY = 80


class Stalls:
    """``with Stalls() as stalls: …; stalls.seen()``. Needs the right to real-time priorities, and says if it had none."""

    def __init__(self) -> None:
        self.watchers: list[subprocess.Popen[str]] = []
        self._seen: list[tuple[float, float]] | None = None

    def __enter__(self) -> Self:
        for cpu in sorted(os.sched_getaffinity(0)):
            command = [sys.executable, "-m", "benchmarks.rig.stalls", str(cpu)]
            self.watchers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watcher in self.watchers:
            watcher.terminate()
        seen: list[tuple[float, float]] = []
        ready = True
        for watcher in self.watchers:
            lines = watcher.communicate(timeout=10)[0].split("\n")
            ready = ready and lines[0] == "ready"
            for line in lines[1:]:
                words = line.split()
                if len(words) == 2:
                    seen.append((float(words[0]), float(words[1])))
        self._seen = sorted(seen) if ready else None

    def seen(self) -> list[tuple[float, float]] | None:
        """(time.time() when it woke, how late in ms) of each, after the block; None without the right to know."""
        return self._seen


def _watch(cpu: int) -> None:
    try:
        os.sched_setaffinity(0, {cpu})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError:
        return
    print("ready", flush=True)
    due = time.monotonic()
    while True:
        due += _PERIOD_S
        time.sleep(max(0.0, due - time.monotonic()))
        late = time.monotonic() - due
        if late * 1000 >= LEAST_MS:
            print(f"{time.time():.3f} {late * 1000:.2f}", flush=True)
            due += late


if __name__ == "__main__":
    _watch(int(sys.argv[1]))

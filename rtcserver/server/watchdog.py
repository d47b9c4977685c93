"""A thread that watches the event loop: one that stands still is told of, and ended when it does not go on.

Nothing on the loop could do that: while it stands, no listener can join, nobody's notes arrive, and a health check over
HTTP waits. Ending the process is the only way out of it. Whatever supervises the server starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import threading
from enum import Enum, auto
from pathlib import Path

from rtcserver.clock import NS, monotonic_ns, next_beat

log = logging.getLogger(__name__)

LOOK_NS = NS // 4
"""Between two looks of the thread, and between two signs of the loop."""
BEHIND_NS = 2_000_000
"""How long after the loop's sign the thread looks: it then finds the process awake, and need not wake it alone."""
TELL_SHARE = 6
LEAST_NS = NS // 2
"""A standstill is told of after this part of what ends the process, and not before `LEAST_NS`."""
TELL_S = 2.0
"""What the last words may take before the process ends without them."""
RECENT_NS = 10 * NS
"""How long health remembers a standstill that is over, so that who asks now and then sees it."""
CPU_SHARE = 3
"""CPU time without a look, as a part of `watchdog_s`, that ends the process."""
_STDERR = 2
EXIT_STUCK = 70
"""Exit code of a server whose event loop stood still: "an internal software error" (sysexits.h)."""


def until_look_s(now_s: float) -> float:
    """How long the thread waits for its next look, by the clock of the loop. Pure."""
    return next_beat(now_s, LOOK_NS / NS) + BEHIND_NS / NS - now_s


class Verdict(Enum):
    """What a look finds."""

    TURNS = auto()
    STANDS = auto()
    """For so long that it is to be told: once for each standstill."""
    STUCK = auto()
    """For so long that the process is to end."""


class Standstill:
    """Whether the loop goes on, from its signs and the looks of another thread. Pure; times are monotonic ns.

    What the looking thread itself was late is not held against the loop: then the whole process was stopped
    (SIGSTOP, ``docker pause``), or the machine was.
    """

    def __init__(self, now_ns: int, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self.tell_ns = max(LEAST_NS, limit_ns // TELL_SHARE)
        """A standstill of this length is told of."""
        self._sign_ns = self._looked_ns = now_ns
        self._told = False
        self._over_ns: int | None = None
        self.count = 0
        """Standstills that were told of."""
        self.longest_ns = 0
        """The longest of them so far."""

    def sign(self, now_ns: int) -> None:
        """The loop turns."""
        self._sign_ns = now_ns

    def look(self, now_ns: int) -> Verdict:
        """Every `LOOK_NS`, from the other thread."""
        late_ns, self._looked_ns = now_ns - self._looked_ns - LOOK_NS, now_ns
        if late_ns > LOOK_NS:
            self._sign_ns = min(now_ns, self._sign_ns + late_ns)
        stood_ns = now_ns - self._sign_ns
        if stood_ns < self.tell_ns:
            if self._told:
                self._told, self._over_ns = False, now_ns
            return Verdict.TURNS
        self.longest_ns = max(self.longest_ns, stood_ns)
        if stood_ns >= self._limit_ns:
            return Verdict.STUCK
        if self._told:
            return Verdict.TURNS
        self._told = True
        self.count += 1
        return Verdict.STANDS

    def is_well(self, now_ns: int) -> bool:
        """Whether there is no standstill now, and was none lately."""
        return not self._told and (self._over_ns is None or now_ns - self._over_ns > RECENT_NS)


class Watchdog:
    """Watches the loop that `start` runs on. limit_s: a standstill of so many seconds ends the process; 0: none does.

    health_file: removed while the loop stands still, so that a health check that looks at it fails at once.

    Code that holds the interpreter lock keeps the thread from looking as well. Such code computes, so the kernel ends
    the process when it has used CPU time for a part of that without one look (ITIMER_PROF); where it stands is written
    first. On a busy machine it gets that time late.
    """

    def __init__(self, limit_s: float, health_file: Path | None = None) -> None:
        self._limit_s = limit_s
        self._health_file = health_file
        self._state = Standstill(monotonic_ns(), round(limit_s * NS))
        self._timer: asyncio.TimerHandle | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        if not self._limit_s:
            return
        self._state = Standstill(monotonic_ns(), round(self._limit_s * NS))
        self._sign()
        faulthandler.register(signal.SIGPROF, file=_STDERR, all_threads=True, chain=True)
        self._arm()
        self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.unregister(signal.SIGPROF)

    def health(self) -> dict[str, object]:
        """The server process, as ``/healthz`` has its children. Called on the loop.

        running: whether the event loop stood still neither now nor lately. descriptors, threads: None where the
        system does not say.
        """
        return {
            "pid": os.getpid(),
            "running": self._state.is_well(monotonic_ns()),
            "restarts": 0,
            "tasks": len(asyncio.all_tasks()),
            "descriptors": _entries("/proc/self/fd"),
            "threads": _entries("/proc/self/task"),
            "standstills": self._state.count,
            "longest_standstill_s": round(self._state.longest_ns / NS, 2),
        }

    def _sign(self) -> None:
        self._state.sign(monotonic_ns())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(next_beat(loop.time(), LOOK_NS / NS), self._sign)

    def _arm(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self._limit_s / CPU_SHARE)

    def _look(self) -> None:
        while not self._stop.wait(until_look_s(monotonic_ns() / NS)):
            self._arm()
            verdict = self._state.look(monotonic_ns())
            if verdict is Verdict.STANDS:
                _tell(f"the event loop has stood still for {self._state.tell_ns / NS:.1f} s; it stands here:")
                self._turn_red()
            elif verdict is Verdict.STUCK:
                _tell(f"the event loop has stood still for {self._limit_s:g} s: the server ends, here:").join(
                    TELL_S
                )
                os._exit(EXIT_STUCK)

    def _turn_red(self) -> None:
        if self._health_file is not None:
            with contextlib.suppress(OSError):
                self._health_file.unlink()


def _tell(sentence: str) -> threading.Thread:
    """Write a sentence and where all threads are to the log.

    A thread of its own does it: what stands still may hold the log's lock, or it is the log itself that nobody reads.
    """

    def write() -> None:
        log.critical(sentence)
        with contextlib.suppress(OSError, ValueError):
            faulthandler.dump_traceback(file=_STDERR, all_threads=True)

    thread = threading.Thread(target=write, name="watchdog's words", daemon=True)
    thread.start()
    return thread


def _entries(folder: str) -> int | None:
    try:
        return sum(1 for _ in Path(folder).iterdir())
    except OSError:
        return None

"""How long a thread of this process waits for the interpreter lock, measured by one that does little else."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

from rtcserver.clock import NS, monotonic_ns

INTERVAL_NS = 5_000_000
KEPT = 16_384
"""Samples that are kept: more than a minute."""


class LockProbe:
    """A thread that sleeps for `INTERVAL_NS` at a time, without the lock, and then asks for it.

    What its sleep takes longer is its wait for the lock, with what the kernel adds to any sleep: an upper bound of
    what the device's thread, which has the same priority as its process's others, waits at any moment. It costs
    some tenths of a per cent of a core and runs from the first `clear` on, so only where somebody measures.
    """

    def __init__(self) -> None:
        self._waits_ns: deque[int] = deque(maxlen=KEPT)
        self._thread: threading.Thread | None = None

    def values(self) -> list[int]:
        """The latest waits in ns."""
        for _ in range(10):
            with contextlib.suppress(RuntimeError):  # a wait was added meanwhile
                return list(self._waits_ns)
        return []

    def clear(self) -> None:
        """Begin to measure, or begin anew."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lock probe", daemon=True)
            self._thread.start()
        self._waits_ns.clear()

    def _run(self) -> None:
        while True:
            began = monotonic_ns()
            time.sleep(INTERVAL_NS / NS)
            self._waits_ns.append(max(0, monotonic_ns() - began - INTERVAL_NS))

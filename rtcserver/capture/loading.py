"""What an instrument says while it loads: "loading grand.sf2", 40 %.

An instrument process has one instrument, and so one listener to this. Whoever loads calls `report` where the share is
known, and works within `working` where a library says nothing on the way.
"""

from __future__ import annotations

import contextlib
import math
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Listener = Callable[[str, float | None], None]
"""Takes what is done ("loading grand.sf2") and its share from 0 to 1, or None. Called on any thread; must not wait."""

HEARTBEAT_S = 1.0
"""Between two signs of life of what `working` watches."""
CPU_LIMIT_S = 1800.0
"""Processor time after which what still works is taken for a loop without an end."""
CHUNK = 1 << 20
READ_AHEAD_BYTES = 16 << 20
"""Files smaller than this are read so quickly that nobody has to be told."""
_IDLE_CPU_S = 0.001
"""Processor time that waiting itself costs in `HEARTBEAT_S`."""

_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Have `listener` told what this process loads from now on; None: nobody."""
    global _listener
    _listener = listener


def report(what: str, share: float | None = None) -> None:
    """Say what is being loaded, and how much of it is done. On any thread; raises nothing.

    what: for people, without a full stop: "loading grand.sf2". share: 0 to 1; what lies outside is clipped, and None
    or no number is "unknown". It may be called as often as is convenient.
    """
    if _listener is not None:
        if share is not None:
            share = min(max(float(share), 0.0), 1.0) if math.isfinite(share) else None
        _listener(what, share)


@contextlib.contextmanager
def working(what: str, share: float | None = None, *, cpu_limit_s: float = CPU_LIMIT_S) -> Iterator[None]:
    """Report `what` every second while the block runs, as long as the process gets on: computes or reads.

    A block that hangs, waiting for what does not come, or that has used `cpu_limit_s` of processor time, is not
    reported any more; whoever waits for it then gives up in the end.
    """
    done = threading.Event()

    def watch() -> None:
        first = before = _work()
        while not done.wait(HEARTBEAT_S):
            now = _work()
            if now[0] - first[0] > cpu_limit_s:
                return
            if now[0] - before[0] > _IDLE_CPU_S or now[1] > before[1]:
                report(what, share)
            before = now

    report(what, share)
    thread = threading.Thread(target=watch, name="loading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def read_ahead(path: Path, what: str, until: float = 1.0) -> None:
    """Read a large file once, so that a library which says nothing on the way finds it in memory.

    Reports bytes as a share from 0 to `until`. A file that cannot be read is left to whoever loads it.
    """
    with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
        size = path.stat().st_size
        if size < READ_AHEAD_BYTES:
            return
        chunk, read = bytearray(CHUNK), 0
        while count := file.readinto(chunk):
            read += count
            report(what, until * min(1.0, read / size))


def _work() -> tuple[float, int]:
    """What this process has done so far: seconds of processor time, and reads from disks."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_inblock + used.ru_majflt

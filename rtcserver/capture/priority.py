"""What is long, and not due at a moment, gives up the real-time priority of the instrument process meanwhile.

Otherwise one room's start would take the processor from all other rooms' sound.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def lower_priority(thread_id: int) -> None:
    """Give a thread ordinary scheduling, where the system can; 0 is the calling one."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(thread_id, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """The calling thread has ordinary scheduling meanwhile, and what it had before afterwards."""
    before = None
    with contextlib.suppress(OSError, AttributeError):
        before = os.sched_getscheduler(0), os.sched_getparam(0)
    lower_priority(0)
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, *before)

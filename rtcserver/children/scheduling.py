"""What helps a child process to keep its times, and needs no rights or is silently left out without them."""

from __future__ import annotations

import contextlib
import gc
import os


def steady(priority: int) -> str:
    """Ask for the steadiest scheduling that this process may have: ``fifo`` at `priority`, ``nice`` or ``normal``.

    What has been allocated so far is taken out of the garbage collector's sight: its runs become short. Call it when
    everything is imported and made.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        return "fifo"
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
        return "nice"
    return "normal"

"""Memory that nobody needs is given back to the system.

A listener costs the server process about 100 KB, most of it OpenSSL's. When they leave it is free, but it lies between what
is still in use, and the C library keeps it for the next ones: after 300 listeners have come and gone, 40 MB, for good.

The interpreter has lists of its own of small objects that are free, and empties them when it looks for garbage among all
objects. By itself it does so once in hours here: until then they fill by about 1.4 MB an hour.

A start makes keys and opens ports, with code of which most is not needed any more.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable

from rtcserver.clock import monotonic_ns
from rtcserver.heap import let_code_go, trim
from rtcserver.tasks import cancelled

log = logging.getLogger(__name__)

START_S = 3.0
"""After so long a start is over."""
LOOK_S = 30.0
"""Between two looks."""
CROWD = 20
"""So many have to have left, and at least half of all."""


class Crowd:
    """How many there have been since memory was last given back. Pure."""

    def __init__(self) -> None:
        self._most = 0

    def has_left(self, present: int) -> bool:
        """Whether it is worth while now; then counting begins anew."""
        self._most = max(self._most, present)
        if self._most - present < CROWD or present > self._most // 2:
            return False
        self._most = present
        return True


class GivingBack:
    """Collects garbage from time to time, and gives memory back when a crowd has left.

    present: tells the number of listeners.
    """

    def __init__(self, present: Callable[[], int]) -> None:
        self._present = present
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="giving memory back")

    async def close(self) -> None:
        """Look no more. Idempotent."""
        task, self._task = self._task, None
        await cancelled(task)

    async def _run(self) -> None:
        crowd = Crowd()
        await asyncio.sleep(START_S)
        if not self._present():
            gc.collect()
            let_code_go()
            trim()
        while True:
            await asyncio.sleep(LOOK_S)
            # What was imported is frozen, so that this takes a millisecond or two, and some more in a crowd.
            gc.collect()
            if crowd.has_left(self._present()):
                began_ns = monotonic_ns()
                if await asyncio.to_thread(trim):
                    log.debug("free memory was given back in %.1f ms", (monotonic_ns() - began_ns) / 1e6)

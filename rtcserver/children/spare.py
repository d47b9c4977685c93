"""A child process that is started and imported, and waits to be told its first thing: the next one's place is taken at once.

A spare costs its memory and no CPU time. Its owner says when it is worth that: while somebody would miss the process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

from rtcserver.children.started import ChildProcess
from rtcserver.clock import NS

DELAY_NS = NS
"""A spare is started this long after it is wanted: a start takes a core's time from those who are joining."""


LINGER_NS = 60 * NS
"""It is kept for so long after nobody wants it any more: listeners come and go."""


class Spare:
    """At most one child that waits. Blocking calls only of the kernel's; `tend` is to be called now and then."""

    def __init__(self, module: str, socket_buffer: int | None, say: Callable[[str], None]) -> None:
        self._start = partial(ChildProcess.start, module, socket_buffer, say)
        self._waiting: ChildProcess | None = None
        self._wanted = False
        self._due_ns: int | None = None
        self._unwanted_ns: int | None = None

    @property
    def pid(self) -> int | None:
        """Of the child that waits; None while there is none."""
        return self._waiting.process.pid if self._waiting is not None else None

    def want(self, wanted: bool) -> None:
        """Keep one from now on, or soon none."""
        self._wanted = wanted
        self._unwanted_ns = None

    async def tend(self, now_ns: int) -> None:
        """Start one that is wanted and due, and replace one that has ended."""
        if self._waiting is not None and self._waiting.process.poll() is not None:
            self.close()
        if not self._wanted and self._waiting is not None:
            if self._unwanted_ns is None:
                self._unwanted_ns = now_ns
            elif now_ns - self._unwanted_ns >= LINGER_NS:
                self.close()
        if not self._wanted or self._waiting is not None:
            return
        if self._due_ns is None:
            self._due_ns = now_ns + DELAY_NS
        elif now_ns >= self._due_ns:
            self._due_ns = None
            # Too many processes or open files at the moment: without a spare it is as it would be without this class.
            with contextlib.suppress(OSError):
                self._waiting = await self._start()

    def take(self) -> ChildProcess | None:
        """The child that waits, which is the caller's from now on; None if there is none that runs."""
        waiting, self._waiting = self._waiting, None
        self._due_ns = None
        if waiting is not None and waiting.process.poll() is not None:
            waiting.discard()
            return None
        return waiting

    def close(self) -> None:
        """End the child that waits. Idempotent."""
        waiting, self._waiting = self._waiting, None
        self._due_ns = None
        if waiting is not None:
            waiting.discard()

"""What a child process prints, as lines of the server's log: tracebacks, and what libraries and plug-ins say.

The child never waits for the log: what does not fit into its pipe is lost, and what is too much is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from rtcserver.clock import NS, monotonic_ns

MAX_LINE = 2_000
"""Characters of a line that are kept."""
LINES_PER_S, BURST = 20, 200
"""Lines a second that are passed on; a traceback comes at once, so there may be more for a moment."""
_READ = 65_536


class Lines:
    """Bytes in, lines out, bounded in length and number. Pure."""

    def __init__(self, now_ns: int) -> None:
        self._rest = b""
        self._left = float(BURST)
        self._then_ns = now_ns
        self._lost = 0

    def push(self, data: bytes, now_ns: int) -> list[str]:
        """The lines that are complete with `data`."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:MAX_LINE]
        return self._bounded(whole, now_ns)

    def end(self, now_ns: int) -> list[str]:
        """What was left without an end of line, and how many lines were left out since that was last said."""
        rest, self._rest = self._rest, b""
        found = self._bounded([rest], now_ns)
        return found + self._told() if self._lost else found

    def _bounded(self, lines: list[bytes], now_ns: int) -> list[str]:
        self._left = min(BURST, self._left + (now_ns - self._then_ns) / NS * LINES_PER_S)
        self._then_ns = now_ns
        found: list[str] = []
        for line in lines:
            text = line[:MAX_LINE].decode(errors="replace").rstrip()
            if not text:
                continue
            if self._left < 1:
                self._lost += 1
                continue
            if self._lost:
                found += self._told()
            self._left -= 1
            found.append(text)
        return found

    def _told(self) -> list[str]:
        lost, self._lost = self._lost, 0
        return [f"({lost} lines are left out: there are too many)"]


class ErrorOutput:
    """The reading half of one child's standard output and error, which are one pipe. On the event loop.

    say: called with each line. Give `fd` to the child as both, then call `given`.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lines = Lines(monotonic_ns())
        # Non-blocking at both ends: a child that says much while nobody reads loses it, and does not stand still.
        self._read_fd, self.fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._open = True
        asyncio.get_running_loop().add_reader(self._read_fd, self._readable)

    def given(self) -> None:
        """The child has its half, or will never have it."""
        os.close(self.fd)

    def close(self) -> None:
        """Pass on what is still there. Idempotent."""
        if not self._open:
            return
        self._readable()
        for line in self._lines.end(monotonic_ns()):
            self._say(line)
        self._shut()

    def _readable(self) -> None:
        data = None
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._read_fd, _READ)
        if data is None:
            return
        for line in self._lines.push(data, monotonic_ns()):
            self._say(line)
        if not data:
            asyncio.get_running_loop().remove_reader(self._read_fd)

    def _shut(self) -> None:
        self._open = False
        asyncio.get_running_loop().remove_reader(self._read_fd)
        os.close(self._read_fd)

"""What asyncio says when no descriptor is free for a new connection: once in a while, in one line.

With each turn, asyncio tries to accept as many connections as its backlog is long, and reports every failure with a
traceback: 256 of them a second, which fill the disk that the log is on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from rtcserver.clock import NS, monotonic_ns

log = logging.getLogger(__name__)

AGAIN_NS = 60 * NS
"""Between two lines."""
_ACCEPT = "socket.accept() out of system resource"


class ShortageHandler:
    """An exception handler for an event loop (`loop.set_exception_handler`); all else goes to the default one."""

    def __init__(self) -> None:
        self._said_ns: int | None = None

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != _ACCEPT:
            loop.default_exception_handler(context)
            return
        now_ns = monotonic_ns()
        if self._said_ns is None or now_ns - self._said_ns > AGAIN_NS:
            self._said_ns = now_ns
            log.error("newcomers have to wait: %s", context.get("exception"))

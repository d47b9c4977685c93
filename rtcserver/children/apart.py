"""A function that is called in a copy of this process: what it imports and allocates is gone when it has returned."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from rtcserver.children.child import die_with_parent
from rtcserver.clock import NS, monotonic_ns

LIMIT_S = 5.0
"""A copy that has not returned by then is ended, and the function is called here."""

P = ParamSpec("P")
R = TypeVar("R")


def apart(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function` returns, which pickle can carry, or raises.

    For a function that changes nothing but what it returns. What it prints is lost. If it raises there, nothing can be
    forked, or the copy hangs, it is called here: other threads are not copied, and one may have held a lock.
    """
    if sys.platform == "linux":
        data = _in_a_copy(function, *args, **kwargs)
        if data:
            found: R = pickle.loads(data)
            return found
    return function(*args, **kwargs)


def _in_a_copy(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> bytes:
    """The result as pickle has it; nothing if there is none."""
    reading, writing = os.pipe()
    try:
        with warnings.catch_warnings():
            # Python 3.12 and later warn of other threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return b""
    if pid == 0:
        code = 1
        try:
            # One that hangs would keep the server's ports when the server has ended.
            die_with_parent()
            os.close(reading)
            # An event loop of this process shall not hear of the copy's signals.
            with contextlib.suppress(ValueError):
                signal.set_wakeup_fd(-1)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            data = pickle.dumps(function(*args, **kwargs))
            with open(writing, "wb") as pipe:  # noqa: PTH123
                pipe.write(data)
            code = 0
        finally:
            # Whatever it raises is raised again in the parent.
            os._exit(code)
    os.close(writing)
    returned = _read(reading, LIMIT_S)
    if returned is None:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return returned if returned is not None and status == 0 else b""


def _read(reading: int, limit_s: float) -> bytes | None:
    """All until the end of the pipe, which is closed then; None if that has not come within `limit_s`."""
    end_ns = monotonic_ns() + round(limit_s * NS)
    parts: list[bytes] = []
    # Not `select.select`, which takes no descriptor above 1023: a server with many connections has higher ones.
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    try:
        while True:
            left_ns = end_ns - monotonic_ns()
            if left_ns <= 0 or not poll.poll(left_ns / NS * 1000):
                return None
            part = os.read(reading, 1 << 16)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(reading)

"""A function that is called in a copy of this process: what it imports and allocates is gone when it has returned."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def apart(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function` returns, which pickle can carry, or raises.

    For a process that has one thread, and a function that changes nothing but what it returns. What it prints is lost. If
    it raises there, or nothing can be forked, it is called here.
    """
    if sys.platform == "linux" and _threads() == 1:
        data = _in_a_copy(function, *args, **kwargs)
        if data:
            found: R = pickle.loads(data)
            return found
    return function(*args, **kwargs)


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def _in_a_copy(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> bytes:
    """The result as pickle has it; nothing if there is none."""
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return b""
    if pid == 0:
        code = 1
        try:
            os.close(reading)
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
    with open(reading, "rb") as pipe:  # noqa: PTH123
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    return data if status == 0 else b""

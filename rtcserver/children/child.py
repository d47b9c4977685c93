"""How child processes of the server are started: this interpreter, this package, nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import rtcserver

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PR_SET_PDEATHSIG = 1


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """The child's variables: it finds this very package whatever its working directory is."""
    root = str(Path(rtcserver.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # BLAS is not used; its threads would only cost memory.
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def die_with_parent() -> None:
    """For a child that has nothing to put in order: let the kernel kill it when the server ends.

    A healthy child sees its control socket close. One that hangs, in a driver or stopped, does not,
    and would keep the port or the device from the next server. Linux only; elsewhere nothing happens.
    The parent that counts is the thread that started the child, so start it from one that stays.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def within(seconds: float, code: int) -> Iterator[None]:
    """End this process with an exit code if what runs inside takes longer: a library hangs, out of Python's reach."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Lossy(io.FileIO):
    """A descriptor to which all is written that it takes, and the rest is lost."""

    def write(self, data: ReadableBuffer) -> int:
        with contextlib.suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


def print_without_errors() -> None:
    """Let ``print`` never raise here: a pipe that nobody reads, or a full disk, is no reason for sound to end.

    Libraries print as they please: pyfluidsynth does when it is imported and ``CI`` is in the environment.
    """
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = io.TextIOWrapper(
            io.BufferedWriter(_Lossy(fd, "wb", closefd=False)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)

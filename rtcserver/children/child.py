"""How child processes of the server are started: this interpreter, this package, nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import rtcserver

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

"""How child processes of the server are started: this interpreter, this package, nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import rtcserver


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """The child's variables: it finds this very package whatever its working directory is."""
    root = str(Path(rtcserver.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # BLAS is not used; its threads would only cost memory.
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}

"""A machine that is busy with something else: stress-ng beside what is measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def busy(cores: int | None = None) -> Iterator[None]:
    """stress-ng on this many cores meanwhile, by default on all. Raises RuntimeError where it is missing.

    It is not bound to any of them, and has no priority: the kernel moves it as any other program.
    """
    if shutil.which("stress-ng") is None:
        raise RuntimeError("stress-ng is missing: script/bootstrap test installs it")
    workers = str(len(os.sched_getaffinity(0)) if cores is None else cores)
    process = subprocess.Popen(
        ["stress-ng", "--quiet", "--cpu", workers], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()

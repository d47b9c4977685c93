"""Faults that a test puts into a server from outside, by a module that Python imports at the start of each process."""

from __future__ import annotations

import os
from pathlib import Path

from tests.rig.process import REPOSITORY

STAND = """
import signal
import sys
import time

if "serve" in sys.orig_argv:
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep({seconds}))
"""
"""SIGUSR1: the thread that the event loop runs on sleeps."""
COMPUTE = """
import re
import signal
import sys

if "serve" in sys.orig_argv:
    signal.signal(signal.SIGUSR1, lambda *_: re.match("(a+)+$", "a" * 64 + "b"))
"""
"""SIGUSR1: it computes for ever, and no other thread gets the interpreter lock meanwhile."""


def hooked(folder: Path, code: str) -> dict[str, str]:
    """The environment for an `RtcServer` whose processes run this first. folder: a place for the module."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(REPOSITORY)))}

"""Packages with instrument kinds for tests: installed in a folder by their metadata alone, without pip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rig.process import REPOSITORY

PLUCK = (REPOSITORY / "examples" / "pluck" / "rtcserver_pluck.py").read_text()
"""The example package's module."""
HEAD = """
import sys, time
import numpy as np
from rtcserver.capture.option import Option
from rtcserver.capture.plugin import Instrument

class Kind(Instrument):
    title = "Made for a test"
"""
SOURCES = {
    "sine": HEAD
    + """
    options = (Option("hz", 500.0, "Frequency in Hz.", least=20.0, most=20000.0),)
    def __init__(self, rate, options):
        self._step = options["hz"] / rate
    def render(self, frames, first_frame):
        cycles = np.mod(np.arange(first_frame, first_frame + frames) * self._step, 1.0)
        return 0.25 * np.sin(2 * np.pi * cycles)
""",
    "raises": HEAD
    + """
    def render(self, frames, first_frame):
        if first_frame > 9600:
            raise RuntimeError("the string broke")
        return np.full(frames, 0.1)
""",
    "raises_at_once": HEAD
    + """
    def __init__(self, rate, options):
        raise LookupError("no strings left")
""",
    "hangs": HEAD
    + """
    def render(self, frames, first_frame):
        while first_frame > 9600:
            time.sleep(0.01)
        return np.full(frames, 0.1)
""",
    "spins": HEAD
    + """
    def render(self, frames, first_frame):
        while first_frame > 9600:
            pass
        return np.full(frames, 0.1)
""",
    "slow": HEAD
    + """
    def render(self, frames, first_frame):
        time.sleep(3 * frames / 48000)
        return np.full(frames, 0.1)
""",
    "wrong_shape": HEAD
    + """
    def render(self, frames, first_frame):
        return np.zeros((frames, 3))
""",
    "not_finite": HEAD
    + """
    def render(self, frames, first_frame):
        return np.full(frames, np.nan)
""",
    "no_import": "import a_module_that_is_missing\n",
    "exits": "import sys; sys.exit(7)\n",
    "ends": "import os; print('about to end'); os._exit(7)\n",
    "sleeps": "import time; time.sleep(60)\n",
    "no_kind": "Kind = 3\n",
}


def install(folder: Path, patch: pytest.MonkeyPatch, **sources: str) -> None:
    """Make packages for `sources`, code by the kind's key, and find them here and in child processes.

    The class that the entry point names is ``Kind``, that of the example ``PluckedString``.
    """
    for key, source in sources.items():
        module = f"made_{key}"
        (folder / f"{module}.py").write_text(source)
        metadata = folder / f"{module}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        name = "PluckedString" if "class PluckedString" in source else "Kind"
        (metadata / "entry_points.txt").write_text(f"[rtcserver.instruments]\n{key} = {module}:{name}\n")
    patch.syspath_prepend(str(folder))
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    patch.setenv("PYTHONPATH", path)

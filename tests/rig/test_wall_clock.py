"""The wall clock of the rig steps, and no other clock does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rig.wall_clock import WallClock

pytestmark = pytest.mark.unhurried("asks a process what time it is")

ASK = "import sys, time\nfor _ in sys.stdin: print(time.time() - time.monotonic(), flush=True)"


def test_a_step_is_seen_by_a_running_program_and_by_its_wall_clock_alone(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", ASK],
        env=clock.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    seen = []
    for offset_s in (0, 3600, -3600):
        clock.set(offset_s)
        child.stdin.write("now\n")
        child.stdin.flush()
        seen.append(float(child.stdout.readline()) - (time.time() - time.monotonic()))
    child.communicate()
    assert seen == pytest.approx([0, 3600, -3600], abs=1)

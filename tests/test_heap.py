"""What is given back of a process's memory leaves all that is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.rig.process import REPOSITORY

SCRIPT = """
import json, ssl, sys
import numpy as np
from pathlib import Path
from rtcserver.heap import let_code_go

def files() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    kb = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return kb["Rss:"] - kb["Anonymous:"]

before = files()
given = let_code_go()
after = files()
# The code is still there, and so are its relocated tables.
sound = np.fft.rfft(np.arange(64.0))
assert abs(sound[0] - 2016) < 1e-9 and ssl.create_default_context() and json.loads("[1]") == [1]
print(json.dumps([before, after, given]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of Linux")
def test_code_that_has_run_is_let_go_and_runs_again() -> None:

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    before, after, given = json.loads(done.stdout)
    assert after < before / 2
    assert given > 10

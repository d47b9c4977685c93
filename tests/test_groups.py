"""Tests that share a fixture stay in one worker: what `tests/conftest.py` marks, pytest-xdist obeys.

It stopped doing so with a newer pytest, without a word (findings/xdist-loses-groups.sh).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GROUP = """
import os, time
import pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(4))
def test_that_takes_a_moment(number):
    time.sleep(0.2)
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_group_of_tests_stays_in_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_group.py").write_text(GROUP)
    seen = tmp_path / "seen"
    # It is itself run by a worker, whose variables are not this run's.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    words = ["-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup", "test_group.py"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env={**own, "SEEN": str(seen)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout
    workers = seen.read_text().split()
    assert len(workers) == 4
    assert len(set(workers)) == 1

"""A test that is run again judges a new measurement, and shares it with the others that are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.realtime import ROOT

MODULE = """
import pytest
from tests.attempts import Measurements

counts = []

@pytest.fixture
def measurements(request):
    return Measurements(request.node)

def measure(what):
    counts.append(what)
    return len(counts)

def fail():
    counts.append("nothing")
    raise OSError("no device")

@pytest.fixture
def count(measurements):
    return measurements.of_this_attempt(measure, "count")

@pytest.mark.parametrize("needed", [1, 3, 2, 3])
def test_one(count, needed):
    assert count >= needed

def test_there_was_one_for_each_attempt():
    assert counts == ["count"] * 3

@pytest.fixture
def nothing(measurements):
    return measurements.of_this_attempt(fail)

@pytest.mark.parametrize("again", [1, 2])
@pytest.mark.xfail(raises=OSError, strict=True)
def test_none(nothing, again):
    pass

def test_what_it_raised_is_kept():
    assert counts[3:] == ["nothing"]
"""


def test_each_attempt_measures_once(tmp_path: Path) -> None:
    module = tmp_path / "test_module.py"
    module.write_text(MODULE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "--reruns",
        "2",
    ]
    run = subprocess.run(
        [*command, str(module)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "6 passed, 2 xfailed, 5 rerun" in run.stdout, run.stdout

"""A short run of every target, guided by coverage: the same inputs each time, as the seed is the same."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

import tests.fuzz.targets  # noqa: F401 -- registers them
from tests.fuzz.target import LIMIT_MS, TARGETS
from tests.realtime import ROOT

EXECUTIONS = 400

pytestmark = [
    pytest.mark.unhurried("what is judged is what is raised, and the processor's time of the slowest input"),
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None, reason="there is no atheris for this machine"
    ),
]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, object]]:
    """One process for all: it imports and instruments everything once."""
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "--fresh",
        "--json",
        "--seed",
        "1",
        "--executions",
        str(EXECUTIONS),
    ]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=85)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert found, done.stderr[-3000:]
    return {outcome["target"]: outcome for outcome in found}


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(outcomes: dict[str, dict[str, object]], name: str) -> None:
    outcome = outcomes[name]
    assert outcome["fault"] == ""
    assert outcome["executions"] >= EXECUTIONS
    assert outcome["covered"] > 0
    assert outcome["worst_ms"] < LIMIT_MS

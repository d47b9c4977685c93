"""A function in a copy of the process: its result comes back, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rtcserver.children import apart as module
from rtcserver.children.apart import apart
from tests.rig.process import REPOSITORY

CODE = """
import sys
from rtcserver.children.apart import apart

def load(number):
    import os
    import wave
    if number < 0:
        raise ValueError("less than nothing")
    return number + 1, os.getpid()

def unbearable():
    return lambda: 0

import os
result, pid = apart(load, 1)
print(result, pid != os.getpid(), "wave" in sys.modules)
try:
    apart(load, -1)
except ValueError as error:
    print(error, "wave" in sys.modules)
print(callable(apart(unbearable)))
print(apart(os.WEXITSTATUS, 256), apart(bytes, 300_000) == bytes(300_000))
"""


def test_what_it_imports_is_not_imported_here_unless_it_fails() -> None:
    said = subprocess.run(
        [sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, timeout=30
    )
    assert said.stdout.splitlines() == ["2 True False", "less than nothing True", "True", "1 True"]
    assert said.stderr == "", "an error is said where it is raised again"


def test_where_nothing_can_be_forked_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(module, "_threads", lambda: 1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert apart(os.getpid) == os.getpid()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_process_with_threads_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_threads", lambda: 2)
    assert apart(os.getpid) == os.getpid()

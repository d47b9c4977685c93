"""A function in a copy of the process: its result comes back, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

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
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert apart(os.getpid) == os.getpid()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_copy_that_hangs_is_ended_and_the_function_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_S", 0.2)
    here = os.getpid()

    def load() -> int:
        if os.getpid() != here:
            time.sleep(60)
        return os.getpid()

    assert apart(load) == here


def test_other_threads_of_the_process_go_on() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    try:
        assert apart(os.getpid) != os.getpid()
    finally:
        gate.set()
        thread.join(5)
    assert not thread.is_alive()

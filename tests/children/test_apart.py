"""A function in a copy of the process: its result comes back, and nothing else."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

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


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip(f"this machine allows {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_server_with_more_than_a_thousand_connections_reads_what_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = os.pipe

    def high() -> tuple[int, int]:
        ends = pipe()
        moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 1100) for end in ends]
        for end in ends:
            os.close(end)
        return moved[0], moved[1]

    monkeypatch.setattr(os, "pipe", high)
    assert apart(os.getpid) != os.getpid()


HANGING = """
import os
import sys
import time
from rtcserver.children.apart import apart

def hang():
    os.write(int(sys.argv[1]), b"%d" % os.getpid())
    time.sleep(60)

apart(hang)
"""


def test_a_copy_that_hangs_ends_with_the_process_that_it_is_of() -> None:
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [sys.executable, "-c", HANGING, str(writing)], cwd=REPOSITORY, pass_fds=(writing,)
    )
    os.close(writing)
    copy = int(os.read(reading, 20))
    server.kill()
    server.wait()
    # The copy holds the other end until it is gone.
    ended = select.poll()
    ended.register(reading, select.POLLHUP)
    assert ended.poll(20_000), f"process {copy} is still there"
    os.close(reading)

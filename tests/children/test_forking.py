"""What a forked child has of its own, whose child it is, and what happens when the process that forks is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rtcserver.children import forking
from rtcserver.children.forking import ForkServer
from tests.children.test_supervised import Supervisor
from tests.rig.process import REPOSITORY, is_gone, wait_until

VARIABLE = "RTCSERVER_TEST_OF_FORKS"


@pytest.fixture
async def own_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForkServer]:
    """A fork server of this test alone, watched."""
    monkeypatch.setattr(forking, "PAUSE_S", 0.01)
    server = ForkServer(("tests.children.scripted",))
    server.start_afresh()
    server.watch()
    await until_ready(server)
    monkeypatch.setattr(forking, "_of_this_process", server)
    yield server
    await server.close()


async def until_ready(server: ForkServer) -> None:
    async with asyncio.timeout(30):
        while not server.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def describe(variable: str = VARIABLE) -> dict[str, Any]:
    supervisor = Supervisor(("describe", variable))
    await supervisor.start()
    described: dict[str, Any] = json.loads(await supervisor.until("report"))
    assert described["pid"] == supervisor.pid
    await supervisor.close()
    assert is_gone(described["pid"])
    return described


async def test_a_forked_child_is_like_one_that_was_started_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "here")
    # What this process has open is no business of a child, even if it may be inherited.
    with socket.socket() as other:
        other.set_inheritable(True)
        forked = await describe()
        monkeypatch.setattr(forking, "_of_this_process", None)
        started = await describe()
    for child in (forked, started):
        assert child["parent"] == os.getpid()
        assert child["group"] == child["pid"]
        assert child["descriptors"] == [0, 1, 2, child["control"]]
        assert child["arguments"] == [str(child["control"])]
        assert child["title"].startswith(f"{sys.executable} -m tests.children.scripted")
    for same in ("input", "variable", "default", "ignored"):
        assert forked[same] == started[same]
    assert forked["variable"] == "here"


async def test_a_variable_that_is_gone_is_gone_for_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await describe("HOME"))["variable"] == os.environ["HOME"]
    monkeypatch.delenv("HOME")
    assert (await describe("HOME"))["variable"] is None


async def test_no_two_children_have_the_same_random_numbers() -> None:
    numbers = [number for _ in range(2) for number in (await describe())["random"]]
    assert len(set(numbers)) == len(numbers)


async def test_children_start_side_by_side() -> None:
    supervisors = [Supervisor(("report", "ready")) for _ in range(8)]
    await asyncio.gather(*(supervisor.start() for supervisor in supervisors))
    for supervisor in supervisors:
        assert await supervisor.until("report") == "ready"
    assert len({supervisor.pid for supervisor in supervisors}) == len(supervisors)
    await asyncio.gather(*(supervisor.close() for supervisor in supervisors))


async def test_when_the_fork_server_is_killed_its_children_go_on_and_another_one_follows(
    own_server: ForkServer,
) -> None:
    supervisor = Supervisor(("report", "ready"))
    await supervisor.start()
    await supervisor.until("report")
    pid, first = own_server.pid, supervisor.pid
    assert pid is not None
    assert first is not None
    os.kill(pid, signal.SIGKILL)
    while own_server.restarts == 0:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    supervisor.tell("still there?")
    assert await supervisor.until("report") == "still there?"
    assert supervisor.pid == first
    await until_ready(own_server)
    assert own_server.pid not in (pid, None)
    os.kill(first, signal.SIGKILL)
    assert await supervisor.until("died") == -signal.SIGKILL, "its end is known, whoever forked it"
    assert await supervisor.until("report") == "ready"
    await supervisor.close()


async def test_without_the_fork_server_children_are_started_from_the_beginning(
    own_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_server, "start_afresh", lambda: None)
    assert own_server.pid is not None
    os.kill(own_server.pid, signal.SIGKILL)
    supervisor = Supervisor(("report", "ready"))
    await supervisor.start()
    assert await supervisor.until("report") == "ready"
    await supervisor.close()
    assert own_server.pid is None


async def test_a_fork_server_that_stands_still_is_given_up(
    own_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "ANSWER_S", 0.3)
    pid = own_server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    supervisor = Supervisor(("report", "ready"))
    await supervisor.start()
    assert await supervisor.until("report") == "ready"
    assert supervisor.restarts == 0
    await until_ready(own_server)
    assert is_gone(pid)
    await supervisor.close()


async def test_a_start_that_nobody_waits_for_any_more_leaves_nothing(own_server: ForkServer) -> None:
    before = children()
    assert own_server.pid is not None
    os.kill(own_server.pid, signal.SIGSTOP)
    supervisor = Supervisor(("report", "ready"))
    await supervisor.start()
    await asyncio.sleep(0.05)
    await supervisor.close()
    births = [task for task in asyncio.all_tasks() if task.get_name() == "birth"]
    assert len(births) == 1
    os.kill(own_server.pid, signal.SIGCONT)
    born = await births[0]
    assert born is not None, "it was born nevertheless"
    assert is_gone(born.pid)
    assert children() == before


def children() -> set[int]:
    """Of this process, those included that have ended and that nobody has waited for."""
    return {child.pid for child in psutil.Process().children()}


PARENT = """
import asyncio, sys
from rtcserver.children import forking
forking.start(("tests.children.scripted",))
import threading
from tests.children.test_supervised import Supervisor

async def main():
    supervisor = Supervisor(("report", "ready"))
    await supervisor.start()
    await supervisor.until("report")
    print(forking.of_this_process().pid, supervisor.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_the_end_of_the_server_ends_all_even_what_stands_still(stopped: bool) -> None:
    server = subprocess.Popen([sys.executable, "-c", PARENT], cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert server.stdout is not None
    pids = list(map(int, server.stdout.readline().split()))
    server.stdout.close()
    if stopped:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    server.kill()
    server.wait()
    for pid in pids:
        wait_until(lambda pid=pid: is_gone(pid), "it ends")  # type: ignore[misc]


NEVER = ("libportaudio", "libfluidsynth", "libjack", "_rtmidi", "libasound", "libav", "_ssl.", "libssl")


def test_what_a_server_forks_has_one_thread_and_no_device() -> None:
    """What must not be there when a process forks: threads, and libraries that begin with one, with a device, or TLS."""
    code = """
import os, sys
from rtcserver.children import fork_server
fork_server.serve = lambda sock: (print("warm", flush=True), sys.stdin.readline())
from rtcserver.commands import forked
forked.prepare(["serve"])
os.wait()
"""
    warm = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert warm.stdout is not None
    try:
        assert warm.stdout.readline() == b"warm\n"
        (forked,) = psutil.Process(warm.pid).children()
        proc = Path(f"/proc/{forked.pid}")
        assert len(list((proc / "task").iterdir())) == 1
        loaded = (proc / "maps").read_text()
        assert "libopus" in loaded
        assert [name for name in NEVER if name in loaded] == []
    finally:
        warm.communicate(b"\n")

"""A child that waits: it follows at once, is used once, and is there only while it is wanted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from rtcserver.children import spare as spare_module
from rtcserver.children.spare import DELAY_NS, LINGER_NS, Spare
from tests.children.test_supervised import Supervisor
from tests.rig.process import is_gone

MODULE = "tests.children.scripted"


@pytest.fixture
async def supervisor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
    monkeypatch.setattr(spare_module, "DELAY_NS", 0)
    found = Supervisor(("report", "ready"))
    await found.start()
    await found.until("report")
    yield found
    await found.close()


async def waiting(supervisor: Supervisor, *, other_than: int | None = None) -> int:
    """The id of a spare, as soon as there is one."""
    async with asyncio.timeout(10):
        while (pid := supervisor.spare_pid) in (None, other_than):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert pid is not None
    return pid


async def test_a_spare_takes_the_place_of_a_process_that_ended(supervisor: Supervisor) -> None:
    assert supervisor.spare_pid is None
    supervisor.keep_spare(True)
    spare, first = await waiting(supervisor), supervisor.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert await supervisor.until("died") == -signal.SIGKILL
    assert await supervisor.until("report") == "ready", "it is greeted like any other"
    assert supervisor.pid == spare
    another = await waiting(supervisor, other_than=spare)
    await supervisor.close()
    assert is_gone(another)
    assert supervisor.spare_pid is None


async def test_a_spare_that_ended_is_replaced_and_never_used(supervisor: Supervisor) -> None:
    supervisor.keep_spare(True)
    spare, first = await waiting(supervisor), supervisor.pid
    assert first is not None
    os.kill(spare, signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    assert await supervisor.until("died") == -signal.SIGKILL
    assert await supervisor.until("report") == "ready"
    assert supervisor.pid not in (spare, first)


async def test_a_spare_that_does_not_answer_is_given_up_like_any_process(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has nothing to import: there is no reason to wait for it as long as for a start."""
    monkeypatch.setattr("rtcserver.children.supervised.SILENCE_NS", 300_000_000)
    supervisor.keep_spare(True)
    spare, first = await waiting(supervisor), supervisor.pid
    assert first is not None
    os.kill(spare, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    await supervisor.until("died")
    await supervisor.until("died")
    assert supervisor.was_killed
    assert is_gone(spare)
    assert await supervisor.until("report") == "ready"


async def test_it_comes_a_moment_after_it_is_wanted_and_goes_long_after_it_is_not() -> None:
    said: list[str] = []
    spare = Spare(MODULE, None, said.append)
    await spare.tend(0)
    assert spare.pid is None
    spare.want(True)
    await spare.tend(1)
    await spare.tend(DELAY_NS)
    assert spare.pid is None
    await spare.tend(DELAY_NS + 1)
    pid = spare.pid
    assert pid is not None
    spare.want(False)
    await spare.tend(2 * DELAY_NS)
    await spare.tend(2 * DELAY_NS + LINGER_NS - 1)
    assert spare.pid == pid
    spare.want(True)
    spare.want(False)
    await spare.tend(2 * DELAY_NS + LINGER_NS)
    assert spare.pid == pid, "the time counts anew"
    await spare.tend(2 * DELAY_NS + 2 * LINGER_NS)
    assert spare.pid is None
    assert is_gone(pid)
    spare.close()


async def test_a_machine_that_starts_nothing_has_no_spare(
    from_the_beginning: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    spare = Spare(MODULE, None, said.append)
    spare.want(True)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    await spare.tend(0)
    await spare.tend(DELAY_NS)
    assert spare.pid is None
    assert spare.take() is None

"""One supervision for every child, with real processes: slow ones are waited for, hung ones replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from rtcserver import logs
from rtcserver.children import liveness
from rtcserver.children.supervised import SupervisedProcess
from rtcserver.clock import NS, monotonic_ns


class Supervisor(SupervisedProcess):
    """Of `tests.children.scripted`; what happens is in `events`."""

    def __init__(self, *steps: tuple[str, Any], **options: Any) -> None:
        super().__init__("test", "tests.children.scripted", stop_s=2, **options)
        self.steps = steps
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def tell(self, text: str, *fds: int) -> bool:
        return self._tell({"type": "echo", "text": text}, fds)

    def _greet(self) -> None:
        self._tell({"type": "run", "steps": self.steps})

    def _handle(self, message: dict[str, Any]) -> None:
        self.events.put_nowait((message["type"], message["text"]))

    def _progressed(self) -> None:
        self.events.put_nowait(("progress", str(self.progress)))

    def _died(self, code: int | None) -> None:
        self.events.put_nowait(("died", code))

    async def until(self, kind: str) -> Any:
        """The value of the next event of a kind."""
        async with asyncio.timeout(20):
            while (event := await self.events.get())[0] != kind:
                pass
        return event[1]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Sets the limits on start and on silence, in seconds."""

    def set_limits(start_s: float, silence_s: float) -> None:
        defaults = {"start_ns": int(start_s * NS), "silence_ns": int(silence_s * NS)}
        monkeypatch.setattr(liveness.Liveness.__init__, "__kwdefaults__", defaults)

    return set_limits


async def test_what_the_process_says_on_standard_error_is_logged_with_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    about: list[object] = []

    class Seen(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            about.append((record.getMessage(), dict(logs.concern())))
            return True

    caplog.handler.addFilter(seen := Seen())
    supervisor = Supervisor(
        ("complain", "fluidsynth: warning: no preset"), ("report", "ready"), ("raise", "over")
    )
    try:
        await supervisor.start()
        await supervisor.until("died")
        await supervisor.close()
    finally:
        caplog.handler.removeFilter(seen)
    assert ("fluidsynth: warning: no preset", {"process": "test"}) in about
    assert ("RuntimeError: over", {"process": "test"}) in about


async def test_messages_descriptors_and_the_end() -> None:
    supervisor = Supervisor(("report", "ready"))
    await supervisor.start()
    assert await supervisor.until("report") == "ready"
    ours, theirs = socket.socketpair()
    with ours:
        assert supervisor.tell("take this", theirs.fileno())
        theirs.close()
        assert await supervisor.until("report") == "take this"
        assert ours.recv(10) == b"here"
    pid = supervisor.pid
    assert pid is not None
    await supervisor.close()
    await supervisor.close()
    assert supervisor.pid is None
    assert not supervisor.tell("anybody?")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert supervisor.restarts == 0


async def test_a_start_slower_than_the_silence_limit_is_waited_for(
    limits: Callable[[float, float], None],
) -> None:
    limits(30, 0.5)
    supervisor = Supervisor(("sleep", 1.5), ("report", "ready"))
    await supervisor.start()
    assert await supervisor.until("report") == "ready"
    assert supervisor.restarts == 0
    # Once it has reported, silence is another matter.
    await supervisor.until("died")
    assert supervisor.was_killed
    await supervisor.close()


async def test_progress_is_shown_and_keeps_a_slow_start_alive(
    limits: Callable[[float, float], None],
) -> None:
    limits(2, 1)
    steps = [step for share in (0.1, 0.4, 0.8) for step in (("progress", share), ("sleep", 1.3))]
    supervisor = Supervisor(*steps, ("report", "ready"))
    assert supervisor.progress is None
    await supervisor.start()
    shown = [await supervisor.until("progress") for _ in range(3)]
    assert shown == [f"loading a piano, {share} %" for share in (10, 40, 80)]
    assert str(supervisor.progress) == shown[-1]
    assert await supervisor.until("report") == "ready"
    assert supervisor.progress is None
    assert supervisor.restarts == 0
    await supervisor.close()


async def test_a_start_that_hangs_is_given_up_in_the_end(limits: Callable[[float, float], None]) -> None:
    limits(2, 1)
    supervisor = Supervisor(("progress", 0.5), ("sleep", 60))
    began = monotonic_ns()
    await supervisor.start()
    assert await supervisor.until("died") == -signal.SIGKILL
    assert monotonic_ns() - began > 2 * NS
    assert supervisor.was_killed
    await supervisor.close()


async def test_a_process_that_ends_is_replaced() -> None:
    supervisor = Supervisor(("report", "first"), ("exit", 7))
    await supervisor.start()
    assert await supervisor.until("died") == 7
    assert not supervisor.was_killed
    supervisor.steps = (("report", "second"),)
    while await supervisor.until("report") != "second":
        pass
    assert supervisor.restarts >= 1
    await supervisor.close()


async def test_a_process_that_cannot_be_started_is_tried_again(
    from_the_beginning: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(("report", "at last"))
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/nowhere/python")
        await supervisor.start()
        assert await supervisor.until("died") is None
    assert await supervisor.until("report") == "at last"
    assert supervisor.restarts >= 1
    await supervisor.close()


@pytest.mark.parametrize(
    "garbage", ["no JSON", "[]", '{"type":"progress"}', '{"type":"progress","what":"x","share":7}']
)
async def test_what_is_no_message_ends_the_process(garbage: str) -> None:
    supervisor = Supervisor(("garbage", garbage))
    await supervisor.start()
    assert await supervisor.until("died") == 0, "it sees its socket close, and ends"
    await supervisor.close()


async def test_a_server_that_was_held_up_does_not_blame_the_child(
    limits: Callable[[float, float], None],
) -> None:
    limits(30, 1)
    script = [step for _ in range(40) for step in (("report", "alive"), ("sleep", 0.2))]
    supervisor = Supervisor(*script)
    await supervisor.start()
    await supervisor.until("report")
    pid = supervisor.pid
    assert pid is not None
    # The whole machine stands still: the child, and this process when it has read everything.
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0.05)
    time.sleep(2)  # noqa: ASYNC251
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGCONT)
    for _ in range(5):
        await supervisor.until("report")
    assert supervisor.pid == pid
    assert supervisor.restarts == 0
    await supervisor.close()


async def test_what_a_process_does_not_read_waits_and_has_a_bound() -> None:
    supervisor = Supervisor(("report", "ready"), max_waiting=10)
    await supervisor.start()
    await supervisor.until("report")
    assert supervisor.pid is not None
    os.kill(supervisor.pid, signal.SIGSTOP)
    taken = 0
    while supervisor.tell(f"{taken:2000}"):
        taken += 1
    os.kill(supervisor.pid, signal.SIGCONT)
    assert [int(await supervisor.until("report")) for _ in range(taken)] == list(range(taken))
    assert supervisor.tell("again")
    assert await supervisor.until("report") == "again"
    await supervisor.close()

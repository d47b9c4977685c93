"""The rig's processes say why they fail, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.jack import JackServer
from tests.rig.process import REPOSITORY, RigError, RigProcess, is_gone, program, wait_until

pytestmark = pytest.mark.unhurried("waits for processes to end")


class Shell(RigProcess):
    """``sh -c SCRIPT``, ready when it has written something."""

    def __init__(self, script: str) -> None:
        super().__init__("shell")
        self.script = script

    def start(self) -> None:
        self._spawn(["sh", "-c", self.script], os.environ)
        self._wait_ready(lambda: bool(self.log()))


def test_a_missing_program_is_named_with_what_installs_it() -> None:
    with pytest.raises(RigError, match="apt-get install some-package"):
        program("no-such-program", "some-package")


def test_a_process_that_ends_at_once_is_reported_with_its_log() -> None:
    with (
        pytest.raises(RigError, match=r"(?s)code 3.*no such device"),
        Shell("sleep 0.2; echo no such device; exit 3"),
    ):
        raise AssertionError("it must not start")


def test_a_wrong_driver_option_is_reported() -> None:
    with pytest.raises(RigError, match="jack ended"), JackServer(channels=-1, rate=-5, blocksize=-1):
        raise AssertionError("it must not start")


def test_stopping_takes_descendants_that_do_not_listen_along() -> None:
    with Shell("sh -c 'trap \"\" TERM; echo; sleep 60; sleep 60' & wait") as shell:
        wait_until(lambda: len(shell.child_pids()) == 2, "both descendants run")
        pids = [shell.pid, *shell.child_pids()]
        shell.stop()
        assert all(is_gone(pid) for pid in pids)


def test_a_killed_test_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """Everything that the rig starts ends when the process that started it is killed."""
    script = (
        "from tests.rig.jack import JackServer, Tones, FluidSynthOnJack\n"
        "from tests.rig.relay import UdpRelay\n"
        "parts = [JackServer(), UdpRelay()]\n"
        "parts += [Tones(parts[0]), FluidSynthOnJack(parts[0], 'Piano')]\n"
        "for part in parts: part.start()\n"
        "print(*[part.pid for part in parts], flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert run.stdout is not None
    with run.stdout:
        pids = [int(word) for word in run.stdout.readline().split()]
    assert len(pids) == 4
    run.send_signal(signal.SIGKILL)
    run.wait(10)
    wait_until(lambda: all(is_gone(pid) for pid in pids), "the rig's processes end", timeout_s=5)

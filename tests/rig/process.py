"""A child process of the rig: log on disk, killed with the tests, stopped by its own pid."""

from __future__ import annotations

import contextlib
import functools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
"""Where ``python -m tests.rig…`` and ``python -m rtcserver`` run."""


class RigError(Exception):
    """A part of the rig is missing or did not start. The message says what to do, or shows the log."""


def program(name: str, package: str) -> str:
    """Path of an executable. Raises `RigError` with the command that installs it."""
    path = shutil.which(name)
    if path is None:
        raise RigError(f"{name} is not installed: run script/bootstrap, or: apt-get install {package}")
    return path


def wait_until(ready: Callable[[], bool], what: str, timeout_s: float = 10.0, poll_s: float = 0.02) -> None:
    """Poll until `ready()` is true. Raises `RigError` naming `what` after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise RigError(f"{what}: not within {timeout_s} s")
        time.sleep(poll_s)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody reaped counts as ended."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@functools.cache
def may_run_as_hardware() -> bool:
    """Whether this user may start SCHED_FIFO processes; the rig is as good as the machine's load if not."""
    chrt = program("chrt", "util-linux")
    return subprocess.run([chrt, "--fifo", "10", "true"], capture_output=True).returncode == 0


class RigProcess:
    """One child process in its own session directory.

    The kernel terminates it when the thread that started it ends (``PR_SET_PDEATHSIG``), so a killed
    test run leaves nothing behind; start it from the main thread. Output goes to `log_path`.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.directory = Path(tempfile.mkdtemp(prefix=f"rig-{label}-"))
        self.log_path = self.directory / "log.txt"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and return when it is usable. Overridden by each part of the rig."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The process id. Raises `RigError` if it was never started."""
        if self._child is None:
            raise RigError(f"{self.label} is not started")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def log(self) -> str:
        """All that the process has written so far, over all its starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def child_pids(self) -> list[int]:
        """Pids of all living descendants."""
        if not self.running:
            return []
        try:
            return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """SIGKILL, as a crash would. The process cannot clean up."""
        if self.running:
            self._signal(signal.SIGKILL)

    def stop(self, timeout_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after `timeout_s`, also to what is left of its descendants. Idempotent."""
        descendants = []
        for pid in self.child_pids():
            try:
                descendants.append(psutil.Process(pid))
            except psutil.NoSuchProcess:
                continue
        if self.running:
            self._signal(signal.SIGTERM, timeout_s)
        if self.running:
            self.kill()
        if self._child is not None:
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # unread commands to a process that is gone
                        pipe.close()
        _, alive = psutil.wait_procs(descendants, timeout=1.0)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=1.0)

    def close(self) -> None:
        """Stop and remove the directory with the log."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _signal(self, number: int, timeout_s: float = 5.0) -> None:
        assert self._child is not None
        self._child.send_signal(number)
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return

    def _spawn(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        cwd: Path | None = None,
        hardware: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start `command`. What plays the part of `hardware` is not preempted by ordinary processes."""
        if self.running:
            raise RigError(f"{self.label} runs already")
        prefix = [program("setpriv", "util-linux"), "--pdeathsig", "TERM", "--"]
        if hardware and may_run_as_hardware():
            prefix += ["chrt", "--fifo", "10"]
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                [*prefix, *command],
                env=dict(env),
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                cwd=cwd,
            )
        return self._child

    def _wait_ready(self, ready: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait for `ready()`; a process that ends meanwhile is reported with its log."""

        def check() -> bool:
            if not self.running:
                raise RigError(f"{self.label} ended with code {self.exit_code}:\n{self.log()[-2000:]}")
            return ready()

        try:
            wait_until(check, f"{self.label} starts", timeout_s)
        except RigError as error:
            log = self.log()[-2000:]
            self.stop()
            raise RigError(f"{error}\n{log}") from None

"""The server's side of a child process: starts it, watches it, starts it again with a backoff.

Liveness is a process that runs and reports over its control socket (`rtcserver.children.control_socket`); what counts
as progress besides is its own supervisor's to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
from typing import Any

from rtcserver.children import child, control_socket
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import ProcessError

log = logging.getLogger(__name__)

SILENCE_NS = 3 * NS
"""A process that reports nothing for so long is killed."""
BACKOFF_S = (0.05, 0.25, 1.0, 2.0)
"""Waits before the first, second, … restart in a row."""
HEALTHY_NS = 10 * NS
"""A process that ran well for so long makes the next restart a first one."""
MISSING_S = 30.0
"""Wait after `control_socket.EXIT_DEPENDENCY`: what is missing on the machine does not come back by trying often."""
_LOOK_S = 0.25
_POLL_S = 0.01


class Backoff:
    """How long to wait before the next restart. Pure."""

    def __init__(self, waits_s: tuple[float, ...] = BACKOFF_S, healthy_ns: int = HEALTHY_NS) -> None:
        self._waits = waits_s
        self._healthy_ns = healthy_ns
        self._failures = 0

    def ended(self, lived_ns: int) -> float:
        """A process ended after `lived_ns` of life; returns the wait in seconds."""
        if lived_ns >= self._healthy_ns:
            self._failures = 0
        wait = self._waits[min(self._failures, len(self._waits) - 1)]
        self._failures += 1
        return wait


class SupervisedProcess:
    """One child process after another, each with a control socket. All methods on the event loop that `start` ran on.

    A subclass says what it is told first (`_greet`), what its messages mean (`_handle`), when it makes no
    progress (`_stuck`), and what its end means (`_died`, `_gone`).

    label: for the log. module: of this package, run with the number of the socket's descriptor. stop_s: time to
    end by itself when it is told to.
    """

    def __init__(self, label: str, module: str, *, stop_s: float) -> None:
        self.restarts = 0
        self._label = label
        self._module = module
        self._stop_s = stop_s
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._last_report_ns = 0

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the first process and the watch over it."""
        self._task = asyncio.create_task(self._supervise(), name=self._label)

    async def close(self) -> None:
        """Stop the process; after `stop_s` it is killed. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._reap(graceful=True)

    # For subclasses to say

    def _greet(self) -> None:
        """Tell a new process what it needs."""

    def _handle(self, message: dict[str, Any]) -> None:
        """Take a message."""

    def _stuck(self, now_ns: int) -> bool:
        """Whether the process reports but makes no progress, and is to be replaced."""
        return False

    def _died(self, code: int | None) -> None:
        """A process ended that should not have; the next one starts after a while."""

    def _gone(self) -> None:
        """There is no process any more, whatever the reason."""

    # For subclasses to use

    def _tell(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> bool:
        """Send a message to the process, without waiting. False if it did not take it."""
        if self._sock is None:
            return False
        try:
            control_socket.send(self._sock, message, fds)
            return True
        except BlockingIOError:
            log.warning("%s: the process does not read its control socket", self._label)
        except OSError:
            self._ended.set()
        return False

    # The watch

    async def _supervise(self) -> None:
        backoff = Backoff()
        while True:
            born = monotonic_ns()
            self._spawn()
            await self._watch()
            code = await self._reap(graceful=False)
            wait = backoff.ended(monotonic_ns() - born)
            if code == control_socket.EXIT_DEPENDENCY:
                wait = MISSING_S
            self.restarts += 1
            self._died(code)
            log.warning("%s: the process ended (%s), next start in %.2f s", self._label, code, wait)
            await asyncio.sleep(wait)

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                child.command(self._module, str(theirs.fileno())),
                env=child.environment(),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                # A terminal's Ctrl-C is for the server; it tells its children itself.
                process_group=0,
            )
        finally:
            theirs.close()
        ours.setblocking(False)
        self._sock = ours
        self._ended.clear()
        self._last_report_ns = monotonic_ns()
        self._greet()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable, ours)

    async def _watch(self) -> None:
        """Return when the process has ended or must end."""
        while not self._ended.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LOOK_S)
            now = monotonic_ns()
            if now - self._last_report_ns > SILENCE_NS:
                log.warning("%s: the process does not report; killing it", self._label)
                return
            if self._stuck(now):
                log.warning("%s: the process makes no progress; killing it", self._label)
                return

    async def _reap(self, *, graceful: bool) -> int | None:
        """End the process for good and return its exit code."""
        process, sock = self._process, self._sock
        self._process = self._sock = None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            if graceful:
                with contextlib.suppress(OSError):
                    control_socket.send(sock, {"type": "stop"})
            sock.close()
        self._gone()
        if process is None:
            return None
        if not graceful and not self._ended.is_set():
            process.kill()
        for _ in range(round(self._stop_s / _POLL_S)):
            if process.poll() is not None:
                return process.returncode
            await asyncio.sleep(_POLL_S)
        process.kill()
        return await asyncio.to_thread(process.wait)

    def _readable(self, sock: socket.socket) -> None:
        try:
            while True:
                received = control_socket.receive(sock)
                if received is None:
                    break
                self._last_report_ns = monotonic_ns()
                self._handle(received[0])
        except BlockingIOError:
            return
        except (OSError, ProcessError) as error:
            log.warning("%s: control socket: %s", self._label, error)
        asyncio.get_running_loop().remove_reader(sock.fileno())
        self._ended.set()

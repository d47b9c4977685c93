"""The server's side of a child process: starts it, watches it, starts it again with a backoff.

Liveness is a process that runs and reports over its control socket (`rtcserver.children.control_socket`); what counts
as progress of its work is its own supervisor's to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from typing import Any

from rtcserver.children import control_socket
from rtcserver.children.backoff import HEALTHY_NS, Backoff
from rtcserver.children.forking import Process
from rtcserver.children.liveness import SILENCE_NS, Liveness, Progress
from rtcserver.children.outbox import Outbox
from rtcserver.children.output import ErrorOutput
from rtcserver.children.spare import Spare
from rtcserver.children.started import ChildProcess
from rtcserver.clock import NS, monotonic_ns, next_beat
from rtcserver.errors import ProcessError
from rtcserver.logs import about
from rtcserver.tasks import cancelled

log = logging.getLogger(__name__)

MAX_WAITING = 256
"""Messages that wait for a process that does not read, unless its supervisor says otherwise."""
MISSING_S = 30.0
"""Wait after `control_socket.EXIT_DEPENDENCY`: what is missing on the machine does not come back by trying often."""
_LOOK_NS = NS // 4
_POLL_S = 0.01
_READS_A_TURN = 32


class SupervisedProcess:
    """One child process after another, each with a control socket. All methods on the event loop that `start` ran on.

    A subclass says what it is told first (`_greet`), what its messages mean (`_handle`), when it makes no
    progress (`_stuck`), and what its end means (`_gone`, `_died`).

    label: for the log. module: of this package, run with the number of the socket's descriptor. stop_s: time to
    end by itself when it is told to. max_waiting: messages that wait for it while it does not read. socket_buffer:
    bytes that each direction of its control socket holds; None for the system's default.
    """

    def __init__(
        self,
        label: str,
        module: str,
        *,
        stop_s: float,
        max_waiting: int = MAX_WAITING,
        socket_buffer: int | None = None,
    ) -> None:
        self.restarts = 0
        self.was_killed = False
        """Whether the last process was ended by its watch, as too slow or stuck, and not by itself."""
        self._label = label
        self._module = module
        self._stop_s = stop_s
        self._max_waiting = max_waiting
        self._socket_buffer = socket_buffer
        self._process: Process | None = None
        self._sock: socket.socket | None = None
        self._outbox: Outbox | None = None
        self._output: ErrorOutput | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._liveness = Liveness(0)
        self._killed = False
        self._spare = Spare(module, socket_buffer, self._said)
        self._complaints: set[str] = set()
        """What has been logged since a process ran well."""

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def progress(self) -> Progress | None:
        """What the process says it is loading before it is ready; None while it says nothing of the kind."""
        return self._liveness.progress if self._process is not None else None

    @property
    def last_progress(self) -> Progress | None:
        """As `progress`, also of a process that has just ended (in `_died`)."""
        return self._liveness.progress

    async def start(self) -> None:
        """Start the first process and the watch over it."""
        self._task = asyncio.create_task(self._supervise(), name=self._label)

    @property
    def spare_pid(self) -> int | None:
        """The id of the process that waits to follow; None while there is none."""
        return self._spare.pid

    def keep_spare(self, wanted: bool) -> None:
        """Have the next process imported and waiting from now on, as somebody would miss this one; or no more."""
        self._spare.want(wanted)

    async def close(self) -> None:
        """Stop the process; after `stop_s` it is killed. Idempotent."""
        task, self._task = self._task, None
        await cancelled(task)
        self._spare.want(False)
        self._spare.close()
        await self._reap(graceful=True)

    # For subclasses to say

    def _greet(self) -> None:
        """Tell a new process what it needs."""

    def _handle(self, message: dict[str, Any]) -> None:
        """Take a message. Raises ProcessError for one that is wrong: the process is replaced."""

    def _progressed(self) -> None:
        """`progress` has changed."""

    def _stuck(self, now_ns: int) -> bool:
        """Whether the process reports but makes no progress, and is to be replaced."""
        return False

    def _gone(self) -> None:
        """There is no process any more, whatever the reason."""

    def _died(self, code: int | None) -> None:
        """A process ended that should not have; the next one starts after a while."""

    # For subclasses to use

    def _tell(self, message: dict[str, Any], fds: Sequence[int] = ()) -> bool:
        """Send a message to the process, without waiting. False if it is lost: no process, or one that does not
        read."""
        return self._post(control_socket.pack(message), fds)

    def _post(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        """As `_tell`, for a message that is packed."""
        if self._outbox is None:
            return False
        if self._outbox.post(data, fds):
            return True
        if not self._ended.is_set() and not self._killed:
            log.warning("%s: the process does not read its control socket", self._label)
        return False

    @property
    def unread_ns(self) -> int:
        """For how long messages have been waiting for the process to read; 0 if none do."""
        return 0 if self._outbox is None else self._outbox.waiting_ns

    def _kill(self, reason: str) -> None:
        """End a process that cannot be worked with; the watch does the rest. Once for each process."""
        if self._process is not None and not self._killed:
            log.warning("%s: the process %s; killing it", self._label, reason)
            self._killed = True
            self._process.kill()

    # The watch

    def _complain(self, what: str, details: str = "") -> None:
        """Log what is wrong with the process: once, however often it comes again, until one has run well."""
        level = logging.DEBUG if what in self._complaints else logging.WARNING
        self._complaints.add(what)
        log.log(level, "%s: the process %s%s", self._label, what, details)

    async def _supervise(self) -> None:
        backoff = Backoff()
        while True:
            born = monotonic_ns()
            try:
                await self._spawn()
                await self._watch()
            except OSError as error:
                # The machine may have too many processes or open files at the moment: the next try may succeed.
                self._complain(f"cannot be started: {error}")
                self._ended.set()
            code = await self._reap(graceful=False)
            lived_ns = monotonic_ns() - born
            if lived_ns >= HEALTHY_NS and self._liveness.reported:
                self._complaints.clear()
            wait = backoff.ended(lived_ns)
            if code == control_socket.EXIT_DEPENDENCY:
                wait = MISSING_S
            self.restarts += 1
            self._died(code)
            self._complain(f"ended ({code}); it is started again", f", the next time in {wait:.2f} s")
            await asyncio.sleep(wait)

    async def _spawn(self) -> None:
        started = self._spare.take()
        if started is None:
            started = await ChildProcess.start(self._module, self._socket_buffer, self._said)
            self._liveness = Liveness(monotonic_ns())
        else:
            # It has nothing to import any more: what is no answer within the time of a silence is a process that hangs.
            self._liveness = Liveness(monotonic_ns(), start_ns=SILENCE_NS)
        self._process, self._sock, self._output = started.process, started.sock, started.output
        self._outbox = Outbox(self._sock, self._max_waiting, self._ended.set)
        self._ended.clear()
        self._killed = False
        self._greet()
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._readable, self._sock)

    async def _watch(self) -> None:
        """Return when the process has ended or must end."""
        looked = monotonic_ns()
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_beat(asyncio.get_running_loop().time(), _LOOK_NS / NS)):
                    await self._ended.wait()
            before, looked = looked, monotonic_ns()
            await self._spare.tend(looked)
            late = looked - before - _LOOK_NS
            if late > _LOOK_NS:
                # This process did not run, or the whole machine: the child is not to blame.
                self._liveness.held_up(late)
            if self._liveness.hung(looked):
                what = "does not report" if self._liveness.reported else "does not start"
                self._complain(f"{what}; killing it")
                return
            if self._stuck(looked):
                self._complain("makes no progress; killing it")
                return

    async def _reap(self, *, graceful: bool) -> int | None:
        """End the process for good and return its exit code."""
        process, sock, outbox, output = self._process, self._sock, self._outbox, self._output
        self._process = self._sock = self._outbox = self._output = None
        if sock is not None and outbox is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            if graceful:
                # Behind what it has been told before, which it is still to do; it may want to answer.
                outbox.post(control_socket.pack({"type": "stop"}))
            else:
                outbox.close()
                sock.close()
        self._gone()
        self.was_killed = not graceful and not self._ended.is_set()
        if process is not None and self.was_killed:
            process.kill()
        try:
            return await self._wait(process)
        finally:
            if sock is not None and outbox is not None:
                outbox.close()
                sock.close()
            if output is not None:
                output.close()

    def _said(self, line: str) -> None:
        """A line that the process has printed."""
        with about(process=self._label):
            log.warning("%s", line)

    async def _wait(self, process: Process | None) -> int | None:
        """Wait `stop_s` for the end of a process, then kill it."""
        if process is None:
            return None
        try:
            for _ in range(round(self._stop_s / _POLL_S)):
                if process.poll() is not None:
                    return process.returncode
                await asyncio.sleep(_POLL_S)
        finally:
            # No effect on one that has ended.
            process.kill()
        return await asyncio.to_thread(process.wait)

    def _readable(self, sock: socket.socket) -> None:
        try:
            for _ in range(_READS_A_TURN):
                received = control_socket.receive(sock)
                if received is None:
                    break
                self._take(received[0])
            else:
                return
        except BlockingIOError:
            return
        except ConnectionError:
            # It ended with messages unread.
            pass
        except (OSError, ProcessError) as error:
            log.warning("%s: control socket: %s", self._label, error)
        asyncio.get_running_loop().remove_reader(sock.fileno())
        self._ended.set()

    def _take(self, message: dict[str, Any]) -> None:
        before, progress = self._liveness.progress, None
        if message["type"] == "progress":
            try:
                progress = Progress.from_message(message)
            except (ValueError, TypeError, KeyError) as error:
                raise ProcessError(f"not a progress message: {error}") from error
        self._liveness.heard(monotonic_ns(), progress)
        if progress is None:
            self._handle(message)
        if progress != before:
            self._progressed()

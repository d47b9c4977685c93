"""The server's side of the fork server (`rtcserver.children.fork_server`), and of the children that come from it.

Without one (on systems other than Linux, in programs that start none, and while one is started again) children are
started from the beginning. Nothing is different for them then but the time and the memory that it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from typing import Protocol

from rtcserver.children import child, control_socket, fork_server
from rtcserver.errors import ProcessError
from rtcserver.tasks import cancelled

log = logging.getLogger(__name__)

ANSWER_S = 3.0
"""A fork server that has not forked after so long is given up."""
PAUSE_S = 1.0
"""Until another one is started in the place of one that has ended."""
_PR_SET_CHILD_SUBREAPER = 36
_ANSWER = 64


class Process(Protocol):
    """What is used of a child process, forked or started (`subprocess.Popen`)."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit code if it has ended; a negative one is the signal that ended it."""

    def wait(self) -> int:
        """The same, as soon as it has ended."""

    def kill(self) -> None:
        """End it, if it runs."""


class Forked:
    """A process that is a child of this one without having been started by it. As `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """See `Process`."""
        # Whoever waits for it will have its code; nobody is to be held up by them.
        if self._lock.acquire(blocking=False):
            try:
                self._reap(os.WNOHANG)
            finally:
                self._lock.release()
        return self.returncode

    def wait(self) -> int:
        """See `Process`."""
        with self._lock:
            self._reap(0)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """See `Process`. Its number is nobody else's before its end has been asked for."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _reap(self, options: int) -> None:
        if self.returncode is not None:
            return
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:
            # Somebody else has waited for it: how it ended is not known.
            pid, status = self.pid, 0
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)


class ForkServer:
    """One fork server, and the next one after it. Loop-bound.

    modules: what it imports before it forks (`rtcserver.children.fork_server.warm_up`). begun: one that runs already.
    """

    def __init__(self, modules: Sequence[str], begun: fork_server.Begun | None = None) -> None:
        self.restarts = 0
        self._modules = tuple(modules)
        self._process: Process | None = None
        self._sock: socket.socket | None = None
        self._variables: dict[str, str] = {}
        """The environment that it has."""
        self._ready = False
        self._births = 0
        self._watch: asyncio.Task[None] | None = None
        if begun is not None:
            self._took(Forked(begun.pid), begun.sock, begun.variables)
            # All is imported: it takes requests, whenever it comes to read them.
            self._ready = True

    @property
    def pid(self) -> int | None:
        """Its number while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def ready(self) -> bool:
        """Whether it forks at once."""
        self._hear()
        return self._ready

    def health(self) -> dict[str, object]:
        """As ``/healthz`` says it."""
        return {"pid": self.pid, "running": self.pid is not None, "restarts": self.restarts}

    def start_afresh(self) -> None:
        """Start it from the beginning; it is `ready` when it has imported everything. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = subprocess.Popen(
                child.command(fork_server.MODULE, str(theirs.fileno()), *self._modules),
                env=child.environment(),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._took(process, ours, child.environment())

    def watch(self) -> None:
        """Have it replaced when it ends, from now on, on the running event loop."""
        self._watch = asyncio.create_task(self._keep(), name="fork server")

    async def close(self) -> None:
        """End it; its children go on. Idempotent. It holds nothing that would have to be put in order."""
        watch, self._watch = self._watch, None
        await cancelled(watch)
        self._discard()

    async def fork(self, module: str, control: socket.socket, output_fd: int) -> Forked | None:
        """A new child that runs ``main()`` of `module`, with these two descriptors. None if there is no fork server
        that can.

        Raises OSError if the system has no room for another process.
        """
        if not self.ready or self._sock is None:
            return None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._births += 1
        _take_orphans(True)
        try:
            with theirs:
                fds = (control.fileno(), output_fd, theirs.fileno())
                control_socket.send(self._sock, self._request(module), fds)
        except OSError as error:
            self._born(ours)
            self._give_up(f"does not read ({error})")
            return None
        birth = asyncio.create_task(self._birth(ours), name="birth")
        try:
            return await asyncio.shield(birth)
        except asyncio.CancelledError:
            birth.add_done_callback(_abandon)
            raise

    async def _birth(self, ours: socket.socket) -> Forked | None:
        """Wait for the answer to one request."""
        try:
            async with asyncio.timeout(ANSWER_S):
                said = await asyncio.get_running_loop().sock_recv(ours, _ANSWER)
        except TimeoutError:
            self._give_up("does not answer")
            return None
        except OSError:
            said = b""
        finally:
            self._born(ours)
        if not said:
            # It has ended meanwhile.
            return None
        number = int(said)
        if number < 0:
            raise OSError(-number, os.strerror(-number))
        return Forked(number)

    def _born(self, ours: socket.socket) -> None:
        """A request is over."""
        ours.close()
        self._births -= 1
        if not self._births:
            _take_orphans(False)

    def _request(self, module: str) -> dict[str, object]:
        now = child.environment()
        return {
            "type": "fork",
            "module": module,
            "parent": os.getpid(),
            "set": {name: value for name, value in now.items() if self._variables.get(name) != value},
            "unset": [name for name in self._variables if name not in now],
        }

    def _took(self, process: Process, sock: socket.socket, variables: dict[str, str]) -> None:
        sock.setblocking(False)
        self._process, self._sock, self._variables = process, sock, variables
        self._ready = False

    def _give_up(self, reason: str) -> None:
        if self._process is not None:
            log.warning("fork server: the process %s; killing it", reason)
            self._ready = False
            self._process.kill()

    def _discard(self) -> None:
        process, self._process = self._process, None
        sock, self._sock = self._sock, None
        self._ready = False
        if sock is not None:
            sock.close()
        if process is not None:
            process.kill()
            process.wait()

    def _hear(self) -> bool:
        """Read what it has said. False if it has ended."""
        try:
            while self._sock is not None and control_socket.receive(self._sock) is not None:
                self._ready = True
        except BlockingIOError:
            return True
        except (OSError, ProcessError):
            pass
        self._ready = False
        return False

    async def _keep(self) -> None:
        while True:
            if self._sock is not None:
                await self._until_it_ends(self._sock)
                process = self._process
                self._discard()
                self.restarts += 1
                code = process.returncode if process is not None else None
                log.warning("fork server: the process ended (%s); another one is started", code)
            await asyncio.sleep(PAUSE_S)
            try:
                self.start_afresh()
            except OSError as error:
                log.warning("fork server: the process cannot be started: %s", error)

    async def _until_it_ends(self, sock: socket.socket) -> None:
        readable = asyncio.Event()
        asyncio.get_running_loop().add_reader(sock.fileno(), readable.set)
        try:
            while self._hear():
                await readable.wait()
                readable.clear()
        finally:
            asyncio.get_running_loop().remove_reader(sock.fileno())


def _abandon(birth: asyncio.Task[Forked | None]) -> None:
    """End a child that nobody waits for any more."""
    if not birth.cancelled() and birth.exception() is None and (process := birth.result()) is not None:
        process.kill()
        process.wait()


def _take_orphans(on: bool) -> None:
    """Whether children whose parent ends come to this process, as those do that are being forked. At other times an
    orphan, an instrument's perhaps, goes where it would without us, to be waited for there."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)


_of_this_process: ForkServer | None = None


def of_this_process() -> ForkServer | None:
    """The one that was forked from this process (`rtcserver.children.fork_server.begin`), or the next one after it."""
    global _of_this_process
    if _of_this_process is None and (begun := fork_server.begun()) is not None:
        _of_this_process = ForkServer(begun.modules, begun)
    return _of_this_process

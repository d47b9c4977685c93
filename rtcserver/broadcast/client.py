"""The server's handle on a broadcast process. Loop-bound; nothing here waits for the process.

Messages go out through a bounded queue. A process that does not read fast enough for it is taken for
dead and killed: keys are never resumed, so its listeners reconnect with fresh ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import rtcserver
from rtcserver.broadcast import control
from rtcserver.broadcast.address import Address
from rtcserver.broadcast.control import BroadcastReport, ListenerStats, Message, Ready, Refused
from rtcserver.broadcast.listener import PAYLOAD_CODED, ListenerCounters, ListenerSpec
from rtcserver.errors import ProcessError

log = logging.getLogger(__name__)

MAX_QUEUE = 8192
"""Messages that wait for the process before it is given up."""
START_TIMEOUT_S = 10.0
SHUTDOWN_TIMEOUT_S = 2.0
_ENVIRONMENT = {
    # BLAS is not used; its threads would only cost memory.
    "OPENBLAS_NUM_THREADS": "1",
    # Histories come and go with listeners; a threshold that glibc does not raise gives them back.
    "MALLOC_MMAP_THRESHOLD_": "131072",
}
_SOCKET_BUFFER = 1 << 20
_READS_PER_WAKEUP = 32


class BroadcastClient:
    """Starts one broadcast process and talks to it.

    on_exit: called once, in the loop, with the exit code (negative: a signal) when the process has ended
    without `close`; all its listeners are lost then. on_refused: a listener that could not be added.
    """

    def __init__(
        self,
        *,
        on_exit: Callable[[int], None] | None = None,
        on_refused: Callable[[int, str], None] | None = None,
    ) -> None:
        self._on_exit = on_exit
        self._on_refused = on_refused
        self._sock: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._queue: deque[tuple[bytes, list[socket.socket]]] = deque()
        self._writing = False
        self._closing = False
        self._listeners: dict[int, ListenerCounters | None] = {}
        self._next_token = 1
        self._waiters: dict[int, asyncio.Future[BroadcastReport]] = {}
        self._ready: asyncio.Future[Ready] | None = None
        self.ready: Ready | None = None
        """What the process said of itself when it started."""
        self.report: BroadcastReport | None = None
        """The latest report; at most about a second old."""
        self.refused = 0
        self.overflowed = False

    # Life

    async def start(self, udp_sockets: Sequence[socket.socket]) -> None:
        """Start the process on duplicates of these sockets; they stay the caller's.

        Raises ProcessError if it does not say that it is ready within ten seconds.
        """
        if self._process is not None:
            raise ProcessError("a broadcast client is started once")
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for end in (ours, theirs):
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            package_root = str(Path(rtcserver.__file__).parent.parent)
            path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "rtcserver.broadcast.process",
                    "--control-fd",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": path, **_ENVIRONMENT},
                )
            except BaseException:
                ours.close()
                raise
        self._sock = ours
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._read)
        self._watcher = asyncio.create_task(self._watch(self._process))
        try:
            self.ready = await asyncio.wait_for(self._ready, START_TIMEOUT_S)
        except (TimeoutError, ProcessError) as error:
            self._on_exit = None
            await self.close()
            raise ProcessError("the broadcast process did not start") from error
        for at in range(0, len(udp_sockets), control.MAX_FDS):
            batch = udp_sockets[at : at + control.MAX_FDS]
            self._post(control.AddSockets(len(batch)), batch)

    async def close(self) -> None:
        """Say BYE to all listeners and end the process; bounded in time, idempotent."""
        self._closing = True
        process, watcher = self._process, self._watcher
        if process is None or watcher is None:
            return
        if process.returncode is None:
            self._post(control.Shutdown())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(watcher), SHUTDOWN_TIMEOUT_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await watcher

    @property
    def alive(self) -> bool:
        """Whether the process is there to be told anything."""
        return self._sock is not None and not self._closing

    @property
    def pid(self) -> int | None:
        """The process's id, or None before `start`."""
        return None if self._process is None else self._process.pid

    # Feeds

    def add_feed(self, room: str, sock: socket.socket, frame_samples: int, anchor: tuple[int, int]) -> None:
        """Let the process read a room's feed. `sock` is the reading half; it stays the caller's.

        anchor: (media time, monotonic ns at which it was or will be reached), where silence begins.
        """
        self._post(control.AddFeed(room, frame_samples, *anchor), [sock])

    def remove_feed(self, room: str) -> None:
        """Stop a room's media. Its listeners stay until they are removed."""
        self._post(control.RemoveFeed(room))

    # Listeners

    def add_listener(self, spec: ListenerSpec) -> None:
        """Begin to send a room to a listener. Raises ProcessError if the process is gone."""
        if not self.alive:
            raise ProcessError("the broadcast process is not running")
        self._listeners[spec.listener_id] = None
        self._post(control.AddListener(spec))

    def set_address(
        self, listener_id: int, destination: Address | None, source: str | None = None, fd_index: int = 0
    ) -> None:
        """Send a listener's next packets elsewhere."""
        self._post(control.SetAddress(listener_id, destination, source, fd_index))

    def set_kind(self, listener_id: int, kind: str = PAYLOAD_CODED) -> None:
        """Give a listener another kind of its room's payload, in the same RTP stream."""
        self._post(control.SetKind(listener_id, kind))

    def remove_listener(self, listener_id: int) -> None:
        """Say BYE to a listener and forget it. Ignored if it is not there."""
        if listener_id in self._listeners:
            del self._listeners[listener_id]
            self._post(control.RemoveListener(listener_id))

    def nack(self, listener_id: int, sequences: Iterable[int]) -> None:
        """Pass on that a listener misses these sequence numbers."""
        wanted = tuple(sequences)[: control.MAX_NACKS]
        if wanted:
            self._post(control.Nack(listener_id, wanted))

    # Counters

    def listener_stats(self, listener_id: int) -> ListenerCounters | None:
        """A listener's counters, at most about two seconds old; None before the first."""
        return self._listeners.get(listener_id)

    def stats(self) -> BroadcastReport | None:
        """The latest report, without asking; None before the first."""
        return self.report

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> BroadcastReport:
        """Ask for a fresh report, and fresh counters of some listeners. Raises ProcessError if none comes."""
        token, self._next_token = self._next_token, self._next_token + 1
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[token] = waiter
        self._post(control.StatsRequest(token, tuple(listener_ids)))
        try:
            return await asyncio.wait_for(waiter, timeout)
        except TimeoutError as error:
            raise ProcessError("the broadcast process does not answer") from error
        finally:
            self._waiters.pop(token, None)

    # Writing

    def _post(self, message: Message, descriptors: Sequence[socket.socket] = ()) -> None:
        if self._sock is None:
            return
        data = control.pack(message)
        if not self._writing and not self._queue and self._write(data, descriptors):
            return
        if len(self._queue) >= MAX_QUEUE:
            self.overflowed = True
            self.kill("does not read its control socket")
            return
        # The caller may close its sockets before their turn comes.
        self._queue.append((data, [sock.dup() for sock in descriptors]))
        if not self._writing:
            self._writing = True
            asyncio.get_running_loop().add_writer(self._sock.fileno(), self._flush)

    def _write(self, data: bytes, descriptors: Sequence[socket.socket]) -> bool:
        """False if the message must wait; True if it has left or the process is gone."""
        assert self._sock is not None
        try:
            if descriptors:
                socket.send_fds(self._sock, [data], [sock.fileno() for sock in descriptors])
            else:
                self._sock.send(data)
        except BlockingIOError:
            return False
        except OSError:
            # Its exit is reported by the watcher.
            return True
        return True

    def _flush(self) -> None:
        while self._queue:
            data, descriptors = self._queue[0]
            if not self._write(data, descriptors):
                return
            self._queue.popleft()
            for sock in descriptors:
                sock.close()
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._writing and self._sock is not None:
            self._writing = False
            asyncio.get_running_loop().remove_writer(self._sock.fileno())

    # Reading

    def _read(self) -> None:
        assert self._sock is not None
        for _ in range(_READS_PER_WAKEUP):
            try:
                data = self._sock.recv(control.MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                asyncio.get_running_loop().remove_reader(self._sock.fileno())
                return
            try:
                self._handle(control.unpack(data))
            except ProcessError as error:
                self.kill(str(error))
                return

    def _handle(self, message: Message) -> None:
        match message:
            case Ready():
                if self._ready is not None and not self._ready.done():
                    self._ready.set_result(message)
            case BroadcastReport(token):
                self.report = message
                waiter = self._waiters.pop(token, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
            case ListenerStats(rows):
                for row in rows:
                    # Not for those that have been removed in the meantime.
                    if row.listener_id in self._listeners:
                        self._listeners[row.listener_id] = row
            case Refused(listener_id, reason):
                self.refused += 1
                self._listeners.pop(listener_id, None)
                log.warning("the broadcast process refuses a listener: %s", reason)
                if self._on_refused is not None:
                    self._on_refused(listener_id, reason)
            case _:
                raise ProcessError(f"{type(message).__name__} does not go this way")

    # Ending

    def kill(self, reason: str) -> None:
        """Kill a process that cannot be worked with; the watcher does the rest."""
        log.error("the broadcast process %s", reason)
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._detach()
        if not self._closing and self._on_exit is not None:
            self._on_exit(code)

    def _detach(self) -> None:
        sock = self._sock
        if sock is None:
            return
        asyncio.get_running_loop().remove_reader(sock.fileno())
        self._stop_writing()
        self._sock = None
        sock.close()
        for _, descriptors in self._queue:
            for descriptor in descriptors:
                descriptor.close()
        self._queue.clear()
        self._listeners.clear()
        gone = ProcessError("the broadcast process has ended")
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(gone)
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(gone)

"""The server's side of an instrument's MIDI: one interface, over a port process or the embedded instrument.

`MidiPort` starts a port process, watches it and starts it again, like `InstrumentSupervisor` does with an
instrument. A process that was killed could not let go of its notes: the next one silences the instrument
first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rtcserver import child
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import ProcessError
from rtcserver.instrument.supervisor import Backoff, InstrumentSupervisor
from rtcserver.midi import control
from rtcserver.midi.control import EXIT_DEPENDENCY, PortConfig, Status

log = logging.getLogger(__name__)

SILENCE_NS = 3 * NS
"""A process that reports nothing for so long is killed."""
ROOM = 0
"""Performer number of what belongs to nobody, such as the choice of a sound."""

OnMessage = Callable[[bytes, int], None]
"""A message from the instrument's own keys, and the monotonic ns at which it came."""
PortEvent = tuple[int, bytes, int | None]
"""(performer, message, monotonic ns at which it is to sound or None for now)."""


class Port(Protocol):
    """An instrument to play on. Loop-bound; nothing here waits.

    Messages are complete and sound (`rtcserver.midi.message.fault`). What a performer holds is known where
    the messages leave (`rtcserver.midi.merge`): several may play, and a release is exact whatever is under
    way.
    """

    on_message: OnMessage | None
    """Called for what is played on the instrument itself, without real-time messages."""
    on_status: Callable[[Status], None] | None
    """Called when a port comes or goes."""

    @property
    def status(self) -> Status:
        """What is open, and what is wrong."""

    async def start(self) -> None: ...

    def send(self, message: bytes, at_ns: int | None = None, performer: int = ROOM) -> None:
        """Play one message, now or at a monotonic time."""

    def play(self, events: Iterable[PortEvent]) -> None:
        """Play many."""

    def release(self, performer: int) -> None:
        """Let go of all that `performer` holds, and drop what is scheduled for him."""

    def silence(self) -> None:
        """Let go of all that anybody but the person at the instrument's keys holds, and of what hangs."""

    async def close(self) -> None: ...


class MidiPort:
    """One instrument's MIDI ports, in a process of their own."""

    def __init__(self, name: str, config: PortConfig) -> None:
        self.name = name
        self.config = config
        self.on_message: OnMessage | None = None
        self.on_status: Callable[[Status], None] | None = None
        self.restarts = 0
        self.unsent = 0
        """Messages that could not be handed over: no process, or one that does not read."""
        self._status = Status()
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._last_report_ns = 0

    @property
    def status(self) -> Status:
        """The latest report."""
        return self._status

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the first process and the watch over it."""
        self._task = asyncio.create_task(self._supervise(), name=f"midi {self.name}")

    def send(self, message: bytes, at_ns: int | None = None, performer: int = ROOM) -> None:
        """Play one message; see `Port`."""
        self.play([(performer, message, at_ns)])

    def play(self, events: Iterable[PortEvent]) -> None:
        """Play many; see `Port`."""
        batch: list[list[Any]] = []
        size = 0
        for performer, message, at_ns in events:
            batch.append([performer, message.hex(), at_ns or 0])
            size += len(message)
            if len(batch) >= control.EVENTS_PER_MESSAGE or size >= control.BYTES_PER_MESSAGE:
                self._tell({"type": "play", "events": batch})
                batch, size = [], 0
        if batch:
            self._tell({"type": "play", "events": batch})

    def release(self, performer: int) -> None:
        """See `Port`."""
        self._tell({"type": "release", "performer": performer})

    def silence(self) -> None:
        """See `Port`."""
        self._tell({"type": "silence"})

    async def close(self) -> None:
        """Stop the process, which lets go of its notes; after 3 s it is killed. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._reap(graceful=True)

    async def _supervise(self) -> None:
        backoff = Backoff()
        while True:
            born = monotonic_ns()
            self._spawn()
            await self._watch()
            code = await self._reap(graceful=False)
            wait = backoff.ended(monotonic_ns() - born)
            if code == EXIT_DEPENDENCY:
                # What is missing on the machine does not come back by trying often.
                wait = 30.0
            else:
                self._status.error = "the MIDI process ended unexpectedly and is being restarted"
                self._status.code = "restarting"
            self.restarts += 1
            self._status.state, self._status.output, self._status.input = "missing", "", ""
            self._changed()
            log.warning("%s: MIDI process ended (%s), next start in %.2f s", self.name, code, wait)
            await asyncio.sleep(wait)

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                child.command("rtcserver.midi.process", str(theirs.fileno())),
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
        self._tell(self.config.to_message())
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable, ours)

    async def _watch(self) -> None:
        """Return when the process has ended or must end."""
        while not self._ended.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 0.25)
            if monotonic_ns() - self._last_report_ns > SILENCE_NS:
                log.warning("%s: the MIDI process does not report; killing it", self.name)
                return

    async def _reap(self, *, graceful: bool) -> int | None:
        """End the process for good and return its exit code."""
        process, sock = self._process, self._sock
        self._process = self._sock = None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            if graceful:
                with contextlib.suppress(OSError):
                    control.send(sock, {"type": "stop"})
            sock.close()
        if process is None:
            return None
        if not graceful and not self._ended.is_set():
            process.kill()
        for _ in range(300):
            if process.poll() is not None:
                return process.returncode
            await asyncio.sleep(0.01)
        process.kill()
        return await asyncio.to_thread(process.wait)

    def _readable(self, sock: socket.socket) -> None:
        try:
            while True:
                received = control.receive(sock)
                if received is None:
                    break
                self._handle(received[0])
        except BlockingIOError:
            return
        except (OSError, ProcessError) as error:
            log.warning("%s: MIDI control: %s", self.name, error)
        asyncio.get_running_loop().remove_reader(sock.fileno())
        self._ended.set()

    def _handle(self, message: dict[str, Any]) -> None:
        self._last_report_ns = monotonic_ns()
        if message["type"] == "input":
            if self.on_message is not None:
                for data, at_ns in message["events"]:
                    self.on_message(bytes.fromhex(data), at_ns)
        elif message["type"] == "status":
            before = self._status
            self._status = Status.from_message(message)
            if _shown(before) != _shown(self._status):
                self._changed()

    def _changed(self) -> None:
        status = self._status
        wrong = status.error or status.input_error
        log.info(
            "%s: MIDI out %s, in %s%s",
            self.name,
            status.output or "missing",
            status.input or "missing",
            f": {wrong}" if wrong else "",
        )
        if self.on_status is not None:
            self.on_status(status)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            if self._sock is not None:
                control.send(self._sock, message)
                return
        except BlockingIOError:
            log.warning("%s: the MIDI process does not read its control socket", self.name)
        except OSError:
            self._ended.set()
        self.unsent += len(message.get("events", ()))


def _shown(status: Status) -> tuple[str | None, ...]:
    return status.state, status.output, status.input, status.error, status.input_error


class EmbeddedPort:
    """The embedded instrument as a port: played in its own process, at the frame that is asked for.

    It starts and ends with its `InstrumentSupervisor`. It has no keys of its own: `on_message` is never
    called.
    """

    def __init__(self, instrument: InstrumentSupervisor) -> None:
        self._instrument = instrument
        self.on_message: OnMessage | None = None
        self.on_status: Callable[[Status], None] | None = None

    @property
    def status(self) -> Status:
        """The instrument's state, as a port's."""
        status = self._instrument.status
        live = status.state == "live"
        return Status(
            state="live" if live else "missing",
            error=status.error,
            code=status.code,
            api="embedded",
            output=status.device if live else "",
        )

    async def start(self) -> None:
        """Nothing: the instrument is started by its own supervisor."""

    def send(self, message: bytes, at_ns: int | None = None, performer: int = ROOM) -> None:
        """See `Port`."""
        self._instrument.midi_play([(performer, message, at_ns)])

    def play(self, events: Iterable[PortEvent]) -> None:
        """See `Port`."""
        self._instrument.midi_play(events)

    def release(self, performer: int) -> None:
        """See `Port`."""
        self._instrument.midi_release(performer)

    def silence(self) -> None:
        """See `Port`."""
        self._instrument.midi_silence()

    async def close(self) -> None:
        """Let go of everything; the instrument goes on."""
        self._instrument.midi_silence()

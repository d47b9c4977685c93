"""The port process: owns one instrument's MIDI ports, and every note that was ever sent to them.

``python -m rtcserver.midiport.process FD``, where FD is the control socket. When that closes, however the server
ended, the process lets go of all that sounds and ends. It waits for a missing port as long as it takes and
opens it again when it is back.

One thread does everything; rtmidi's own thread only stamps what comes in, keeps it and wakes that one.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Any

from rtcserver.children import child, control_socket
from rtcserver.children.control_socket import EXIT_DEPENDENCY
from rtcserver.children.scheduling import steady
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import ConfigError, DependencyError, InstrumentError, ProcessError
from rtcserver.midi import message as m
from rtcserver.midi.merge import Merger, release_everything
from rtcserver.midi.parser import StreamParser
from rtcserver.midi.schedule import Schedule
from rtcserver.midiport import control
from rtcserver.midiport.backend import Backend
from rtcserver.midiport.control import PortConfig, PortStatus
from rtcserver.midiport.ports import choose

SCAN_NS = 300_000_000
"""Time between two looks at the list of ports: no instrument is unplugged and back within it."""
RETRY_NS = NS
"""The same while the MIDI system itself is missing."""
LINGER_S = 0.05
"""A JACK port needs a few periods to play what was written before it may be closed."""
MAX_INPUT = 4096
LATENESSES = 1024

PRIORITY = 20
"""Under SCHED_FIFO."""


class PortProcess:
    """Everything of the process; `run` returns its exit code."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        start, _ = control_socket.receive_start(sock)
        self._config = PortConfig.from_message(start)
        self._status = PortStatus()
        self._merger = Merger()
        self._schedule = Schedule()
        self._parser = StreamParser()
        self._late: deque[int] = deque(maxlen=LATENESSES)
        self._incoming: deque[tuple[int, bytes]] = deque()
        self._dropped = 0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._started = False
        self._identity: str | None = None
        self._next_scan_ns = self._next_status_ns = 0
        sock.setblocking(False)

    def run(self) -> int:
        """Serve until told to stop or the server is gone."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        try:
            self._backend = Backend(self._config.api)
        except (DependencyError, ConfigError) as error:
            self._status.error, self._status.code = str(error), "dependency"
            self._report(monotonic_ns())
            return EXIT_DEPENDENCY
        self._status.api = self._backend.api
        while not self._stopping:
            now = monotonic_ns()
            if now >= self._next_scan_ns:
                self._scan()
            self._report(monotonic_ns())
            self._wait()
            self._take_input()
            self._control()
            self._play_due()
        self._send_all(self._merger.release_others())
        if self._status.output:
            time.sleep(LINGER_S)
        self._backend.reset()
        return 0

    def _signalled(self, number: int, frame: Any) -> None:
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def _wait(self) -> None:
        """Until something comes, or is due. select() takes µs, where poll() would round up to ms."""
        deadline = min(self._next_scan_ns, self._next_status_ns)
        if (due := self._schedule.next_ns) is not None:
            deadline = min(deadline, due)
        timeout = max(0, deadline - monotonic_ns()) / NS
        readable, _, _ = select.select((self._sock.fileno(), self._wake), (), (), timeout)
        if self._wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)

    # Ports

    def _scan(self) -> None:
        """Open what is there, close what has gone, say what is missing."""
        status = self._status
        before = (status.output, status.input, status.error, status.input_error)
        backend, config = self._backend, self._config
        identity = backend.identity()
        if (status.output or status.input) and identity != self._identity:
            self._lose()
        try:
            names = backend.output_names()
            if status.output and status.output not in names:
                self._lose_output()
                names = backend.output_names()
            if not status.output:
                index = choose(names, config.output, config.rules, backend.api, "output")
                backend.open_output(index)
                self._identity = identity
                self._opened(names[index])
        except InstrumentError as error:
            status.state, status.error, status.code = "missing", str(error), error.code
        if config.listen:
            try:
                names = backend.input_names()
                if status.input and status.input not in names:
                    self._lose_input()
                    names = backend.input_names()
                if not status.input:
                    index = choose(names, config.input, config.rules, backend.api, "input")
                    backend.open_input(index, self._callback)
                    status.input, status.input_error = names[index], None
                    self._identity = identity
            except InstrumentError as error:
                status.input_error = str(error)
        pause = RETRY_NS if status.code == "system" else SCAN_NS
        self._next_scan_ns = monotonic_ns() + pause
        if before != (status.output, status.input, status.error, status.input_error):
            self._next_status_ns = 0

    def _opened(self, name: str) -> None:
        status = self._status
        status.state, status.error, status.code, status.output = "live", None, None, name
        status.opened += 1
        if self._started:
            self._send_all(self._merger.reconnect())
        else:
            # A process before this one may have been killed while its notes sounded.
            self._send_all(release_everything(self._config.channels))
            self._started = True

    def _lose(self) -> None:
        """The MIDI system has gone with all its ports."""
        self._backend.reset()
        self._status.output = self._status.input = ""

    def _lose_output(self) -> None:
        self._backend.close_output()
        self._status.output = ""

    def _lose_input(self) -> None:
        self._backend.close_input()
        self._parser.reset()
        self._status.input = ""

    # Out

    def _play(self, owner: int, message: bytes) -> None:
        self._send_all(self._merger.apply(owner, message))

    def _play_due(self) -> None:
        while True:
            now = monotonic_ns()
            messages = self._schedule.due(now)
            if not messages:
                return
            for at_ns, owner, message in messages:
                self._play(owner, message)
                self._late.append(monotonic_ns() - at_ns)

    def _send_all(self, messages: list[bytes]) -> None:
        status = self._status
        for message in messages:
            if not status.output:
                return
            try:
                self._backend.send(message)
                status.sent += 1
            except InstrumentError as error:
                if error.code == "too_large":
                    # The port is as good as before; the sentence stays until it is opened anew.
                    status.error, status.code = str(error), error.code
                    continue
                self._lose_output()
                status.state, status.error, status.code = "missing", str(error), error.code
                self._next_scan_ns = 0

    # In

    def _callback(self, event: tuple[list[int], float], data: Any) -> None:
        """On rtmidi's thread."""
        now = monotonic_ns()
        if len(self._incoming) >= MAX_INPUT:
            self._incoming.popleft()
            self._dropped += 1
        self._incoming.append((now, bytes(event[0])))
        os.eventfd_write(self._wake, 1)

    def _take_input(self) -> None:
        events: list[list[Any]] = []
        size = 0
        while self._incoming:
            at_ns, data = self._incoming.popleft()
            for message in self._parser.feed(data):
                if message[0] >= m.CLOCK:
                    self._status.ignored += 1
                    continue
                self._status.received += 1
                if m.is_channel(message):
                    self._send_all(self._merger.local(message))
                events.append([message.hex(), at_ns])
                size += len(message)
                if len(events) >= control.EVENTS_PER_MESSAGE or size >= control.BYTES_PER_MESSAGE:
                    self._tell({"type": "input", "events": events})
                    events, size = [], 0
        if events:
            self._tell({"type": "input", "events": events})

    # Talking

    def _control(self) -> None:
        while not self._stopping:
            try:
                received = control_socket.receive(self._sock)
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                # The server is gone, however it ended.
                self._stopping = True
                return
            self._handle(received[0])

    def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "play":
                for owner, data, at_ns in message["events"]:
                    if at_ns:
                        for early in self._schedule.add(owner, bytes.fromhex(data), at_ns):
                            self._play(*early)
                    else:
                        self._play(owner, bytes.fromhex(data))
            case "release":
                self._status.cancelled += self._schedule.cancel(message["performer"])
                self._send_all(self._merger.release(message["performer"]))
            case "silence":
                self._status.cancelled += len(self._schedule)
                self._schedule.clear()
                self._send_all(self._merger.silence(self._config.channels))
            case "stop":
                self._stopping = True
            case other:
                raise ProcessError(f"unknown control message {other!r}")

    def _report(self, now: int) -> None:
        if now < self._next_status_ns:
            return
        self._next_status_ns = now + control.STATUS_INTERVAL_NS
        status = self._status
        status.malformed, status.dropped = self._parser.faults, self._dropped
        status.waiting, status.early = len(self._schedule), self._schedule.early
        if self._late:
            ordered = sorted(self._late)
            status.late_p99_ns, status.late_max_ns = ordered[(len(ordered) - 1) * 99 // 100], ordered[-1]
        self._tell(status.to_message())

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            control_socket.send(self._sock, message)
        except BlockingIOError:
            if message["type"] == "input":
                self._dropped += len(message["events"])
        except OSError:
            self._stopping = True


def main() -> int:
    """Entry point of the process."""
    child.print_without_errors()
    process = PortProcess(socket.socket(fileno=int(sys.argv[1])))
    steady(PRIORITY)
    code = process.run()
    sys.stderr.flush()
    # A MIDI system that hangs in its clean-up must not keep the process.
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())

"""The server's side of an instrument's MIDI: one interface, over a port process or the embedded instrument.

A port process that was killed could not let go of its notes: the next one silences the instrument first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from rtcserver.children.control_socket import EXIT_DEPENDENCY
from rtcserver.children.supervised import SupervisedProcess
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.midiport import control
from rtcserver.midiport.control import PortConfig, PortStatus

log = logging.getLogger(__name__)

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

    @property
    def status(self) -> PortStatus:
        """What is open, and what is wrong."""

    async def start(self) -> None: ...

    def play(self, events: Iterable[PortEvent]) -> None:
        """Play messages, each now or at a monotonic time. `ROOM` is who plays what belongs to nobody."""

    def release(self, performer: int) -> None:
        """Let go of all that `performer` holds, and drop what is scheduled for them."""

    def silence(self) -> None:
        """Let go of all that anybody but the person at the instrument's keys holds, and of what hangs."""

    async def close(self) -> None: ...


class MidiPort(SupervisedProcess):
    """One instrument's MIDI ports, in a process of their own, which lets go of its notes when it is closed."""

    def __init__(self, name: str, config: PortConfig) -> None:
        super().__init__(f"{name}, MIDI", "rtcserver.midiport.process", stop_s=3)
        self.name = name
        self.config = config
        self.on_message: OnMessage | None = None
        self._status = PortStatus()

    @property
    def status(self) -> PortStatus:
        """The latest report."""
        return self._status

    def play(self, events: Iterable[PortEvent]) -> None:
        """See `Port`."""
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

    def _greet(self) -> None:
        self._tell(self.config.to_message())

    def _died(self, code: int | None) -> None:
        before = _shown(self._status)
        if code != EXIT_DEPENDENCY:
            self._status.error = "the MIDI process ended unexpectedly and is being restarted"
            self._status.code = "restarting"
        self._status.state, self._status.output, self._status.input = "missing", "", ""
        if before != _shown(self._status):
            self._changed()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "input":
            if self.on_message is not None:
                for data, at_ns in message["events"]:
                    self.on_message(bytes.fromhex(data), at_ns)
        elif message["type"] == "status":
            before = self._status
            self._status = PortStatus.from_message(message)
            self._status.unsent = before.unsent
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

    def _tell(self, message: dict[str, Any], fds: Sequence[int] = ()) -> bool:
        taken = super()._tell(message, fds)
        if not taken:
            self._status.unsent += len(message.get("events", ()))
        return taken


def _shown(status: PortStatus) -> tuple[str | None, ...]:
    return status.state, status.output, status.input, status.error, status.input_error


class EmbeddedPort:
    """The embedded instrument as a port: played in its own process, at the frame that is asked for.

    It starts and ends with its `InstrumentSupervisor`. It has no keys of its own: `on_message` is never
    called.
    """

    def __init__(self, instrument: InstrumentSupervisor) -> None:
        self._instrument = instrument
        self.on_message: OnMessage | None = None

    @property
    def status(self) -> PortStatus:
        """The instrument's state, as a port's."""
        status = self._instrument.status
        live = status.state == "live"
        return PortStatus(
            state="live" if live else "missing",
            error=status.error,
            code=status.code,
            api="embedded",
            output=status.device if live else "",
        )

    async def start(self) -> None:
        """Nothing: the instrument is started by its own supervisor."""

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

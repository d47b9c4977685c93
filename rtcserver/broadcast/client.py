"""What the server can tell one broadcast process, and what that process has told of itself. Nothing here waits.

A `BroadcastClient` lives as long as its process: keys are never resumed, so the next process gets a client of its
own, and its listeners reconnect with fresh keys.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from rtcserver.broadcast import control, control_wire
from rtcserver.broadcast.check_messages import (
    ChecksAnswered,
    ChecksOverflowed,
    DropCheck,
    KeepCheck,
    StrayCheck,
)
from rtcserver.broadcast.control import BroadcastReport, ListenerStats, Message, Ready, Refused
from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec
from rtcserver.errors import ProcessError
from rtcserver.transport.address import Address
from rtcserver.transport.handover import AnsweredChecks, KnownCheck

log = logging.getLogger(__name__)


class ChecksTaker(Protocol):
    """Who owns what checks may change, as `rtcserver.transport.endpoint.MediaEndpoint` does."""

    def answered(self, rows: Iterable[AnsweredChecks], over: int, unsent: int) -> None:
        """The process has answered these; see `ChecksAnswered`."""

    def stray(self, data: bytes, remote: tuple[str, int], local: bytes) -> None:
        """It does not know this one."""

    def overflowed(self) -> None:
        """It gets more than it reads."""


class BroadcastClient:
    """One running broadcast process, as its supervisor hands it out. Loop-bound.

    ready: what the process said of itself when it started. post: sends it a message. on_refused: called for a
    listener that the process could not add. checks: who hears of checks that it has read.
    """

    def __init__(
        self,
        ready: Ready,
        post: Callable[[Message, Sequence[socket.socket]], object],
        on_refused: Callable[[int, str], None] | None = None,
        checks: ChecksTaker | None = None,
    ) -> None:
        self.ready = ready
        self._checks = checks
        self._post = post
        self._on_refused = on_refused
        self._listeners: dict[int, ListenerCounters | None] = {}
        self._next_token = 1
        self._waiters: dict[int, asyncio.Future[BroadcastReport]] = {}
        self.alive = True
        """Whether the process is there to be told anything; what is said to one that is gone is lost."""
        self.report: BroadcastReport | None = None
        """The latest report, at most about a second old; None before the first."""
        self.refused = 0

    # Listeners

    def add_listener(self, spec: ListenerSpec) -> None:
        """Begin to send a room to a listener. Raises ProcessError if the process is gone."""
        if not self.alive:
            raise ProcessError("the broadcast process is not running")
        self._listeners[spec.listener_id] = None
        self._tell(control.AddListener(spec))

    def set_address(
        self,
        listener_id: int,
        destination: Address | None,
        source: str | None = None,
        fd_index: int = 0,
        stream: int = 0,
    ) -> None:
        """Send a listener's next packets elsewhere."""
        self._tell(control.SetAddress(listener_id, destination, source, fd_index, stream))

    def add_stream(self, number: int, sock: socket.socket, rest: bytes, unsent_bytes: int) -> None:
        """Let the process write on a TCP stream, and nobody else from now on; `sock` stays the caller's to close."""
        self._tell(control.AddStream(number, rest.hex(), unsent_bytes), (sock,))

    def send_stream(self, number: int, packet: bytes) -> None:
        """Have a packet of our own written on a stream."""
        self._tell(control.SendStream(number, packet.hex()))

    def remove_stream(self, number: int) -> None:
        """Have a stream closed."""
        self._tell(control.RemoveStream(number))

    def set_kind(self, listener_id: int, kind: str, payload_type: int) -> None:
        """Give a listener another kind of its room's payload, in the same RTP stream."""
        self._tell(control.SetKind(listener_id, kind, payload_type))

    def set_copied(self, listener_id: int, every: int) -> None:
        """Send a listener packets twice: those whose sequence numbers `every` divides, 1: each, 0: none."""
        self._tell(control.SetCopied(listener_id, every))

    def remove_listener(self, listener_id: int) -> None:
        """Say BYE to a listener and forget it. Ignored if it is not there."""
        if listener_id in self._listeners:
            del self._listeners[listener_id]
            self._tell(control.RemoveListener(listener_id))

    def nack(self, listener_id: int, sequences: Iterable[int]) -> None:
        """Pass on that a listener misses these sequence numbers."""
        wanted = tuple(sequences)[: control.MAX_NACKS]
        if wanted:
            self._tell(control.Resend(listener_id, wanted))

    # Checks for consent: a `rtcserver.transport.handover.CheckReader`

    @property
    def reading(self) -> bool:
        """Whether the process reads the socket for checks: it is awake while there are listeners."""
        return self.alive and self._checks is not None and bool(self._listeners)

    def keep(self, number: int, check: KnownCheck) -> None:
        """Have checks like this one answered."""
        self._tell(KeepCheck.of(number, check))

    def drop(self, number: int) -> None:
        """Have a peer's checks answered no more."""
        self._tell(DropCheck(number))

    # Counters

    def listener_stats(self, listener_id: int) -> ListenerCounters | None:
        """A listener's counters, at most about five seconds old; None before the first."""
        return self._listeners.get(listener_id)

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> BroadcastReport:
        """Ask for a fresh report, and fresh counters of some listeners. Raises ProcessError if none comes."""
        token, self._next_token = self._next_token, self._next_token + 1
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[token] = waiter
        self._tell(control.StatsRequest(token, tuple(listener_ids)))
        try:
            return await asyncio.wait_for(waiter, timeout)
        except TimeoutError as error:
            raise ProcessError("the broadcast process does not answer") from error
        finally:
            self._waiters.pop(token, None)

    # For the supervisor

    def handle(self, body: dict[str, Any]) -> None:
        """Take a message of the process. Raises ProcessError for one that is wrong."""
        match control_wire.parse(body):
            case BroadcastReport(token) as report:
                self.report = report
                waiter = self._waiters.pop(token, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(report)
            case ListenerStats(rows):
                for row in rows:
                    # Counters may still come for a listener that has been removed meanwhile: they are dropped.
                    if row.listener_id in self._listeners:
                        self._listeners[row.listener_id] = row
            case Refused(listener_id, reason):
                self.refused += 1
                self._listeners.pop(listener_id, None)
                log.warning("the broadcast process refuses a listener: %s", reason)
                if self._on_refused is not None:
                    self._on_refused(listener_id, reason)
            case ChecksAnswered() as message:
                if self._checks is not None:
                    self._checks.answered(message.answered(), message.over, message.unsent)
            case StrayCheck(data, host, port, local):
                if self._checks is not None:
                    self._checks.stray(bytes.fromhex(data), (host, port), bytes.fromhex(local))
            case ChecksOverflowed():
                if self._checks is not None:
                    self._checks.overflowed()
            case other:
                raise ProcessError(f"{type(other).__name__} does not go this way")

    def gone(self) -> None:
        """The process has ended: whoever waits for an answer gets none."""
        self.alive = False
        self._listeners.clear()
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(ProcessError("the broadcast process has ended"))

    def _tell(self, message: Message, sockets: Sequence[socket.socket] = ()) -> None:
        if self.alive:
            self._post(message, sockets)

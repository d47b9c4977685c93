"""The server's side of the broadcast process, which is restarted with the same sockets and feeds.

Listeners are not brought back: their keys die with the process, since a second process could use a packet index
twice (`rtcserver.broadcast.engine`). Their owner is told, and lets them reconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rtcserver.broadcast import control, control_wire
from rtcserver.broadcast.check_messages import AddCheckSocket
from rtcserver.broadcast.client import BroadcastClient, ChecksTaker
from rtcserver.broadcast.control import Message, Ready, Resend, SendStream
from rtcserver.children.supervised import SupervisedProcess
from rtcserver.encode.encoding import Encoding
from rtcserver.errors import ProcessError

log = logging.getLogger(__name__)

MAX_QUEUE = 8192
"""Messages that wait for the process before it is given up."""
STOP_S = 2.0
"""Time in which it says BYE to all listeners and ends."""
STILL_STARTING_S = 10.0
"""How often the log says that the server waits for the process."""
_SOCKET_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Feed:
    """A room's feed, to be given to each new process. `anchor` is read anew each time."""

    sock: socket.socket
    frame_samples: int
    anchor: Callable[[], tuple[int, int]]
    further: tuple[Encoding, ...]


class BroadcastSupervisor(SupervisedProcess):
    """Keeps a broadcast process running, and owns the `BroadcastClient` of the one that runs. Loop-bound.

    udp_sockets stay the caller's. on_lost is called when a process has ended and all listeners with it,
    on_restarted when the next one takes listeners; on_refused and checks as in `BroadcastClient`. check_sockets: the one for
    checks, if there is one. bursts: whether the multi-buffer library may protect packets.
    """

    def __init__(
        self,
        udp_sockets: Sequence[socket.socket],
        *,
        on_lost: Callable[[], None] | None = None,
        on_restarted: Callable[[], None] | None = None,
        on_refused: Callable[[int, str], None] | None = None,
        check_sockets: Sequence[socket.socket] = (),
        checks: ChecksTaker | None = None,
        bursts: bool = True,
    ) -> None:
        super().__init__(
            "broadcast",
            "rtcserver.broadcast.process",
            stop_s=STOP_S,
            max_waiting=MAX_QUEUE,
            socket_buffer=_SOCKET_BUFFER,
        )
        self._udp_sockets = udp_sockets
        self._on_lost = on_lost
        self._on_restarted = on_restarted
        self._on_refused = on_refused
        self._check_sockets = check_sockets
        self._checks = checks if check_sockets else None
        self._bursts = bursts
        self._feeds: dict[str, Feed] = {}
        self._first: asyncio.Future[None] | None = None
        """Set when the first process is ready, or has ended before that."""
        self._serving = asyncio.Event()
        self._served = False
        """Whether the process that has ended had listeners to lose."""
        self.dropped_resends = 0
        """Requests to resend that were left out because the process had other messages to read first."""
        self.dropped_packets = 0
        """Packets for TCP streams that were left out for the same reason."""
        self.client: BroadcastClient | None = None
        """The running process, or None before it is ready and between two of them."""

    async def start(self) -> None:
        """Start the first process and wait until it serves, however slow the machine is.

        Raises ProcessError if it ends before.
        """
        first = self._first = asyncio.get_running_loop().create_future()
        await super().start()
        try:
            while not (await asyncio.wait((first,), timeout=STILL_STARTING_S))[0]:
                log.info("waiting for the broadcast process: %s", self.progress or "starting")
            first.result()
        except BaseException:
            first.cancel()
            await self.close()
            raise

    async def serving(self, timeout_s: float) -> bool:
        """Wait until there is a process that takes listeners, `timeout_s` at most; whether there is one."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._serving.wait(), timeout_s)
        return self.client is not None

    def add_feed(
        self,
        room: str,
        sock: socket.socket,
        frame_samples: int,
        anchor: Callable[[], tuple[int, int]],
        further: Iterable[Encoding] = (),
    ) -> None:
        """Serve a room, now and after each restart. `sock` is the feed's reading half; it stays the caller's.

        anchor returns (media time, monotonic ns) of the room's timeline: where silence begins. further: the encodings
        that may be on the feed beside the room's own.
        """
        feed = self._feeds[room] = Feed(sock, frame_samples, anchor, tuple(further))
        if self.client is not None:
            self._hand_over(room, feed)

    def tell_anchor(self, room: str) -> None:
        """A listener will come to a room that had none: tell where its timeline is by now."""
        if self.client is not None and room in self._feeds:
            self._say(control.SetAnchor(room, *self._feeds[room].anchor()))

    def remove_feed(self, room: str) -> None:
        """Stop a room's media. Its listeners stay until they are removed."""
        if self._feeds.pop(room, None) is not None and self.client is not None:
            self._say(control.RemoveFeed(room))

    def _handle(self, message: dict[str, Any]) -> None:
        if self.client is not None:
            self.client.handle(message)
            return
        ready = control_wire.parse(message)
        if not isinstance(ready, Ready):
            raise ProcessError(f"{type(ready).__name__} came before the process was ready")
        self.client = BroadcastClient(ready, self._say, self._on_refused, self._checks)
        if not self._bursts:
            self._say(control.WithoutBursts())
        for at in range(0, len(self._udp_sockets), control.MAX_FDS):
            batch = self._udp_sockets[at : at + control.MAX_FDS]
            self._say(control.AddSockets(len(batch)), batch)
        for sock in self._check_sockets:
            self._say(AddCheckSocket(), (sock,))
        for room, feed in self._feeds.items():
            self._hand_over(room, feed)
        self._serving.set()
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        elif self._on_restarted is not None:
            self._on_restarted()

    def _gone(self) -> None:
        client, self.client = self.client, None
        self._serving.clear()
        self._served = client is not None
        if client is not None:
            client.gone()

    def _died(self, code: int | None) -> None:
        if self._served:
            if self._on_lost is not None:
                self._on_lost()
        elif self._first is not None and not self._first.done() and not self.was_killed:
            self._first.set_exception(ProcessError(f"the broadcast process did not start (exit code {code})"))

    def _hand_over(self, room: str, feed: Feed) -> None:
        added = control.AddFeed(room, feed.frame_samples, *feed.anchor(), further=feed.further)
        self._say(added, (feed.sock,))

    def _say(self, message: Message, sockets: Sequence[socket.socket] = ()) -> None:
        if isinstance(message, Resend | SendStream) and self.unread_ns:
            # Everything else is worth waiting for: a listener that is added must be heard of. Whoever sends a listener
            # packets of our own on a stream sends them again.
            self.dropped_resends += isinstance(message, Resend)
            self.dropped_packets += isinstance(message, SendStream)
            return
        taken = self._post(control_wire.pack(message), [sock.fileno() for sock in sockets])
        if not taken and not self._ended.is_set():
            # It has lost a message, which may be the end of a listener.
            self._kill("does not read its control socket")

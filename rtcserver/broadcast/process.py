"""The broadcast process: feeds in, SRTP out, and nothing else.

``python -m rtcserver.broadcast.process FD``, where FD is one end of a
``SOCK_SEQPACKET`` pair; its messages are in `rtcserver.broadcast.control`. A single thread: media
first, then what the clock demands, then a bounded share of control messages. The process exits as soon as
the control socket closes, however the server ended, so the media port is never left taken.

It imports NumPy, libsrtp and its own stage, nothing of the web and no asyncio.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections import deque
from dataclasses import dataclass, field, replace

from rtcserver.broadcast import batch, control
from rtcserver.broadcast.control import BroadcastReport, ListenerStats, Message, Ready, Refused, RoomCounters
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.lateness import Lateness
from rtcserver.broadcast.listener import PAYLOAD_PCM, PAYLOAD_PCM_TWICE, PAYLOAD_SILENCE, redundancy_of
from rtcserver.children.child import die_with_parent, print_without_errors
from rtcserver.children.scheduling import steady
from rtcserver.clock import NS, monotonic_ns, wall_ns
from rtcserver.encode.codec import codec_named
from rtcserver.encode.continuity import Continuity
from rtcserver.encode.feed import EXPIRED_NS, FeedReader
from rtcserver.encode.packet import KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import Redundancy
from rtcserver.encode.red import RedundantPackets
from rtcserver.errors import ProcessError
from rtcserver.heap import trim

CONTROL_BUDGET_NS = 400_000
"""Time for control messages before media is looked after again."""
MAX_RESENDS = 256
"""Requests to resend that wait until all other messages are handled; the oldest gives way."""
TICK_NS = 100_000_000
"""Time between two shares of the sender reports."""
TICK_SLACK_NS = 60_000_000
"""How much later a share may come: with the next media packet, so that nobody has to wake up for it."""
SUMMARY_NS = NS
FEED_PACKETS = 8
"""Packets of the codec that one feed may deliver before the others' turn."""
FEED_BLOCKS = 256
"""Packets of any kind before the others' turn."""
_DONTWAIT = socket.MSG_DONTWAIT


@dataclass(slots=True, eq=False)
class RoomFeed:
    """One feed and its timeline."""

    name: str
    feed: FeedReader
    continuity: Continuity
    redundant: RedundantPackets = field(default_factory=RedundantPackets)
    redundancy: Redundancy = field(default_factory=Redundancy)
    last_pcm: EncodedPacket | None = None
    polled: bool = True
    """Whether the loop waits for the feed."""


PRIORITY = 10
"""Under SCHED_FIFO; below the processes that own a device."""


class BroadcastProcess:
    """The loop around a `BroadcastEngine`. `run` returns when the server is gone or says so."""

    def __init__(self, sock: socket.socket, *, scheduling: str = "normal") -> None:
        # Before Python 3.12 recv_fds ignores its flags: the socket itself must not block.
        sock.setblocking(False)
        self._control = sock
        self._engine = BroadcastEngine()
        self._sockets: list[socket.socket] = []
        self._rooms: dict[str, RoomFeed] = {}
        self._feeds: dict[int, RoomFeed] = {}
        self._lateness = Lateness()
        self._resends: deque[control.Resend] = deque()
        self._dropped_resends = 0
        self._unknown = 0
        self._unsent = 0
        self._stopping = False
        self._used = False
        """Whether there was a listener a second ago."""
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        self._next_tick_ns = self._next_summary_ns = 0
        self._send(Ready(os.getpid(), scheduling, batch.HAVE_SENDMMSG))

    def run(self) -> None:
        """Serve until `control.Stop` or the end of the control socket."""
        control_fd = self._control.fileno()
        # A spare (`rtcserver.children.spare`) waits here for its first message, and costs no time meanwhile.
        self._poll.poll()
        self._next_tick_ns = monotonic_ns() + TICK_NS
        self._next_summary_ns = monotonic_ns() + SUMMARY_NS
        while not self._stopping:
            ready = self._poll.poll(self._timeout_ms(monotonic_ns()))
            control_ready = bool(self._resends)
            for fd, _ in ready:
                if fd == control_fd:
                    control_ready = True
                else:
                    self._read_feed(self._feeds[fd])
            self._fill_silence()
            self._tick()
            if control_ready:
                self._serve_control()

    def _timeout_ms(self, now: int) -> int:
        if self._resends:
            return 0
        due = min(self._next_tick_ns, self._next_summary_ns) + TICK_SLACK_NS
        for room in self._rooms.values():
            silence = room.continuity.due_ns()
            if silence is not None and silence < due:
                due = silence
        # Rounded up: waking early would only mean to wait again.
        return max(0, -((now - due) // 1_000_000))

    # Media

    def _read_feed(self, room: RoomFeed) -> None:
        feed = room.feed
        sent = 0
        for _ in range(FEED_BLOCKS):
            packet = feed.read()
            if packet is None:
                if feed.ended:
                    # The writer is gone for good; silence goes on until the feed is replaced or removed.
                    self._unregister(room)
                return
            if packet.kind == KIND_PCM:
                self._send_pcm(room, packet)
                continue
            for fresh in room.continuity.push(packet, feed.read_ns):
                self._send_coded(room, fresh)
                self._lateness.add(monotonic_ns() - fresh.captured_ns)
                self._send_silence(room, fresh)
            sent += 1
            if sent == FEED_PACKETS:
                return

    def _send_coded(self, room: RoomFeed, packet: EncodedPacket) -> None:
        """A packet of the room's codec: plain, and for those who lose some with earlier ones."""
        self._engine.send(room.name, packet)
        room.redundant.push(packet)
        for kind in self._engine.kinds(room.name):
            if (redundancy := redundancy_of(kind)) is not None:
                self._engine.send(
                    room.name, replace(packet, payload=room.redundant.payload(*redundancy)), kind
                )

    def _send_pcm(self, room: RoomFeed, packet: EncodedPacket) -> None:
        """Studio payloads; a repeated block goes under the repeated block's timestamp."""
        self._engine.send(room.name, packet, PAYLOAD_PCM)
        if not self._engine.has_listeners(room.name, PAYLOAD_PCM_TWICE):
            return
        before, room.last_pcm = room.last_pcm, packet
        first, *repeats = room.redundancy.push(packet.payload)
        self._engine.send(room.name, replace(packet, payload=first), PAYLOAD_PCM_TWICE)
        for repeat in repeats:
            if before is not None:
                self._engine.send(room.name, replace(before, payload=repeat), PAYLOAD_PCM_TWICE)

    def _send_silence(self, room: RoomFeed, packet: EncodedPacket) -> None:
        """What Studio listeners get before their worker has reported."""
        if self._engine.has_listeners(room.name, PAYLOAD_SILENCE):
            self._engine.send(room.name, replace(packet, payload=room.continuity.silence), PAYLOAD_SILENCE)

    def _fill_silence(self) -> None:
        for room in self._rooms.values():
            for packet in room.continuity.poll(monotonic_ns()):
                self._send_coded(room, packet)
                self._send_silence(room, packet)

    # What the clock demands

    def _tick(self) -> None:
        now = monotonic_ns()
        if now >= self._next_tick_ns:
            self._next_tick_ns = max(self._next_tick_ns + TICK_NS, now)
            rows = self._engine.report(now, wall_ns(), TICK_NS)
            if rows:
                self._send(ListenerStats(tuple(rows)))
        if now >= self._next_summary_ns:
            self._next_summary_ns = max(self._next_summary_ns + SUMMARY_NS, now)
            self._send(self._summary(0))
            # Only the young generations are collected, at a time of our choosing; the start-up heap is frozen.
            gc.collect(1)
            if self._used and not len(self._engine):
                # There is no listener to hear the milliseconds that this may take.
                trim()
            self._used = len(self._engine) > 0

    def _summary(self, token: int) -> BroadcastReport:
        audience = self._engine.audience()
        rooms = {
            name: RoomCounters(
                audience.get(name, 0),
                room.continuity.emitted,
                room.continuity.silent,
                room.continuity.stale,
                room.continuity.skipped_samples,
                room.feed.expired,
                room.feed.invalid,
            )
            for name, room in self._rooms.items()
        }
        return BroadcastReport(
            token,
            self._engine.totals(),
            rooms,
            tuple(self._lateness.counts),
            self._lateness.take_max(),
            self._unknown,
            self._unsent,
            self._lateness.sum_ns,
            self._dropped_resends,
        )

    # Control

    def _serve_control(self) -> None:
        """Handle messages until there are none or the budget is spent; the rest waits in the socket.

        Requests to resend come last, whoever they are from: a listener is added before another one's losses are mended.
        """
        end = monotonic_ns() + CONTROL_BUDGET_NS
        self._read_control(end)
        while self._resends and not self._stopping:
            resend = self._resends.popleft()
            self._engine.nack(resend.listener_id, resend.sequences)
            if monotonic_ns() >= end:
                return

    def _read_control(self, end: int) -> None:
        while not self._stopping and monotonic_ns() < end:
            try:
                data, fds, _, _ = socket.recv_fds(self._control, control.MAX_MESSAGE, control.MAX_FDS)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._stopping = True
                return
            descriptors = [socket.socket(fileno=fd) for fd in fds]
            try:
                self._handle(control.unpack(data), descriptors)
            except (ProcessError, ValueError) as error:
                with contextlib.suppress(BlockingIOError):
                    print(f"broadcast: {error}", file=sys.stderr)
            finally:
                # What a message has not taken over is closed here.
                for descriptor in descriptors:
                    descriptor.close()

    def _handle(self, message: Message, descriptors: list[socket.socket]) -> None:
        engine = self._engine
        known = True
        match message:
            case control.AddListener(spec):
                try:
                    engine.add(spec)
                except ValueError as error:
                    self._send(Refused(spec.listener_id, str(error)))
            case control.SetAddress(listener_id, destination, source, fd_index):
                known = engine.set_address(listener_id, destination, source, fd_index)
            case control.SetKind(listener_id, kind, payload_type):
                known = engine.set_kind(listener_id, kind, payload_type)
            case control.RemoveListener(listener_id):
                known = engine.remove(listener_id)
            case control.Resend(listener_id):
                known = listener_id in engine
                if known and len(self._resends) == MAX_RESENDS:
                    self._resends.popleft()
                    self._dropped_resends += 1
                if known:
                    self._resends.append(message)
            case control.StatsRequest(token, listener_ids):
                rows = [row for row in map(engine.counters, listener_ids) if row is not None]
                self._send(ListenerStats(tuple(rows)))
                self._send(self._summary(token))
            case control.AddSockets(count):
                if len(descriptors) != count:
                    raise ProcessError(f"{len(descriptors)} descriptors came instead of {count}")
                while descriptors:
                    self._engine.add_socket(descriptors.pop(0))
            case control.AddFeed():
                if len(descriptors) != 1:
                    raise ProcessError(f"{len(descriptors)} descriptors came instead of one feed")
                self._add_feed(message, descriptors.pop())
            case control.RemoveFeed(room):
                self._remove_feed(room)
                engine.forget_room(room)
            case control.Stop():
                engine.remove_all()
                self._stopping = True
            case _:
                raise ProcessError(f"{type(message).__name__} does not go this way")
        if not known:
            self._unknown += 1

    def _add_feed(self, message: control.AddFeed, sock: socket.socket) -> None:
        feed = FeedReader(sock, expires_ns=EXPIRED_NS)
        # What has piled up before is older than the anchor: it would only delay what follows.
        feed.discard()
        self._remove_feed(message.room)
        continuity = Continuity(codec_named(message.codec), message.frame_samples)
        continuity.start(message.anchor_media_time, message.anchor_ns)
        room = RoomFeed(message.room, feed, continuity)
        self._rooms[room.name] = self._feeds[feed.fileno()] = room
        self._poll.register(feed.fileno(), select.POLLIN)

    def _remove_feed(self, name: str) -> None:
        room = self._rooms.pop(name, None)
        if room is not None:
            self._unregister(room)
            room.feed.close()

    def _unregister(self, room: RoomFeed) -> None:
        if room.polled:
            room.polled = False
            self._poll.unregister(room.feed.fileno())
            del self._feeds[room.feed.fileno()]

    def _send(self, message: Message) -> None:
        """Tell the server, if it listens; a report that finds the socket full is not worth waiting for."""
        try:
            self._control.send(control.pack(message), _DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            self._unsent += 1
        except OSError:
            self._stopping = True


def main() -> None:
    """Entry point of the process."""
    # A hung process that outlives a killed server would keep the port.
    die_with_parent()
    print_without_errors()
    # Ctrl-C reaches the whole process group; the server decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    process = BroadcastProcess(sock, scheduling=steady(PRIORITY))
    gc.disable()
    process.run()
    sys.stderr.flush()
    # Thousands of sessions need no orderly end, and the port is wanted back at once.
    os._exit(0)


if __name__ == "__main__":
    main()

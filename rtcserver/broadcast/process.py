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

from rtcserver.broadcast import batch, control, control_wire
from rtcserver.broadcast.check_messages import AddCheckSocket, DropCheck, KeepCheck
from rtcserver.broadcast.check_reader import CheckReader
from rtcserver.broadcast.control import BroadcastReport, ListenerStats, Message, Ready, Refused, RoomCounters
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.lateness import Lateness
from rtcserver.broadcast.listener import PAYLOAD_CODED, ListenerCounters
from rtcserver.broadcast.room import RoomFeed
from rtcserver.broadcast.session_key import protection
from rtcserver.children.child import die_with_parent, print_without_errors
from rtcserver.children.scheduling import steady
from rtcserver.clock import NS, monotonic_ns, samples_to_ns, wall_ns
from rtcserver.encode.encoding import OWN, Encoding
from rtcserver.encode.feed import EXPIRED_NS, FeedReader
from rtcserver.encode.packet import KIND_PCM
from rtcserver.errors import ProcessError
from rtcserver.heap import map_blocks_from, trim

CONTROL_BUDGET_NS = 400_000
"""Time for control messages before media is looked after again."""
MAX_RESENDS = 256
"""Requests to resend that wait until all other messages are handled; the oldest gives way."""
TICK_NS = 100_000_000
"""Time between two shares of the sender reports."""
TICK_SLACK_NS = 60_000_000
"""How much later a share may come: with the next media packet, so that nobody has to wake up for it."""
SUMMARY_NS = NS
MAX_ROWS = 128
"""Listeners whose counters wait for the next summary at most."""
FULL_COLLECTION = 30
"""Every so many summaries, garbage is looked for among all objects that are not frozen: only then does the interpreter
empty its lists of small objects that are free, which fill by some MB an hour otherwise."""
FEED_PACKETS = 8
"""Packets of the codec that one feed may deliver before the others' turn."""
FEED_BLOCKS = 256
"""Packets of any kind before the others' turn."""
_DONTWAIT = socket.MSG_DONTWAIT


MAPPED_BYTES = 131_072
"""Blocks from this size on are given back when they are free: histories come and go with listeners."""
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
        self._rows: list[ListenerCounters] = []
        self._checks = CheckReader(self._send)
        self._send(Ready(os.getpid(), scheduling, batch.HAVE_SENDMMSG))

    def run(self) -> None:
        """Serve until `control.Stop` or the end of the control socket."""
        control_fd = self._control.fileno()
        # A spare (`rtcserver.children.spare`) waits here for its first message, and costs no time meanwhile.
        self._poll.poll()
        self._next_tick_ns = monotonic_ns() + TICK_NS
        self._next_summary_ns = monotonic_ns() + SUMMARY_NS
        self._summaries = 0
        now = monotonic_ns()
        while not self._stopping:
            ready = self._poll.poll(self._timeout_ms(now))
            control_ready = bool(self._resends)
            for fd, _ in ready:
                if fd == control_fd:
                    control_ready = True
                else:
                    self._read_feed(self._feeds[fd])
            now = monotonic_ns()
            for room in self._rooms.values():
                room.fill(now)
            self._engine.repeat(now)
            if now >= self._checks.due_ns:
                self._checks.read(now)
            if now >= self._next_tick_ns or now >= self._next_summary_ns:
                self._tick(now)
            if control_ready:
                self._serve_control()
                now = monotonic_ns()

    def _timeout_ms(self, now: int) -> int:
        if self._resends:
            return 0
        # Without listeners there are no sender reports, and nothing to wake up for but a sign of life.
        due = min(self._next_tick_ns, self._next_summary_ns) if len(self._engine) else self._next_summary_ns
        due += TICK_SLACK_NS
        if (repeat := self._engine.repeat_due_ns) is not None and repeat < due:
            due = repeat
        for room in self._rooms.values():
            silence = room.due_ns()
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
            if room.take(packet, feed.read_ns):
                self._lateness.add(monotonic_ns() - packet.captured_ns)
            if feed.read_ns - packet.captured_ns < samples_to_ns(packet.duration):
                # The next one is not there yet, or at least not late: asking for it would cost more than it brings.
                return
            if packet.kind == KIND_PCM:
                continue
            sent += 1
            if sent == FEED_PACKETS:
                return

    # What the clock demands

    def _tick(self, now: int) -> None:
        if now >= self._next_tick_ns:
            self._next_tick_ns = max(self._next_tick_ns + TICK_NS, now)
            self._engine.streams.flush(now)
            self._rows += self._engine.report(now, wall_ns(), TICK_NS)
            if len(self._rows) >= MAX_ROWS:
                self._send_rows()
        if now >= self._next_summary_ns:
            self._next_summary_ns = max(self._next_summary_ns + SUMMARY_NS, now)
            self._send_rows()
            self._checks.tell_answered()
            self._send(self._summary(0))
            for room in self._rooms.values():
                room.tidy()
            # At a time of our choosing; the start-up heap is frozen, and mostly only the young generations are looked at.
            self._summaries += 1
            gc.collect(2 if self._summaries % FULL_COLLECTION == 0 else 1)
            if self._used and not len(self._engine):
                # There is no listener to hear the milliseconds that this may take.
                trim()
            self._used = len(self._engine) > 0

    def _send_rows(self) -> None:
        """Tell the server the counters that have been gathered, at once: each message wakes it."""
        if self._rows:
            self._send(ListenerStats(tuple(self._rows)))
            self._rows.clear()

    def _summary(self, token: int) -> BroadcastReport:
        audience = self._engine.audience()
        rooms = {
            name: RoomCounters(
                audience.get(name, 0),
                *room.counts,
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
            protection(bursts=self._engine.bursts),
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
                self._handle(control_wire.unpack(data), descriptors)
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
                    return
                if spec.room in self._rooms:
                    self._rooms[spec.room].begin(spec.kind, monotonic_ns())
            case control.WithoutBursts():
                engine.bursts = False
            case control.SetAddress(listener_id, destination, source, fd_index, stream):
                known = engine.set_address(listener_id, destination, source, fd_index, stream)
            case control.AddStream(number, rest, unsent_bytes):
                if len(descriptors) != 1:
                    raise ProcessError(f"{len(descriptors)} descriptors came instead of one stream")
                engine.streams.add(number, descriptors[0], bytes.fromhex(rest), unsent_bytes)
                descriptors.clear()
            case control.SendStream(number, packet):
                known = engine.streams.send(number, bytes.fromhex(packet))
            case control.RemoveStream(number):
                known = engine.streams.remove(number)
            case control.SetKind(listener_id, kind, payload_type):
                room = self._rooms.get(engine.room_of(listener_id) or "")
                change = engine.set_kind if room is None else room.set_kind
                known = change(listener_id, kind, payload_type)
            case control.SetCopied(listener_id, every):
                known = engine.set_copied(listener_id, every)
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
            case AddCheckSocket():
                if len(descriptors) != 1:
                    raise ProcessError(f"{len(descriptors)} descriptors came instead of one socket")
                self._checks.use(descriptors.pop())
            case KeepCheck(number):
                self._checks.desk.keep(number, message.check())
            case DropCheck(number):
                self._checks.desk.drop(number)
            case control.AddFeed():
                if len(descriptors) != 1:
                    raise ProcessError(f"{len(descriptors)} descriptors came instead of one feed")
                self._add_feed(message, descriptors.pop())
            case control.SetAnchor(name, media_time, at_ns):
                if name in self._rooms:
                    self._rooms[name].set_anchor(media_time, at_ns)
            case control.RemoveFeed(name):
                self._remove_feed(name)
                engine.forget_room(name)
            case control.Stop():
                engine.remove_all()
                self._stopping = True
            case _:
                raise ProcessError(f"{type(message).__name__} does not go this way")
        if not known:
            self._unknown += 1

    def _add_feed(self, message: control.AddFeed, sock: socket.socket) -> None:
        streams = (OWN, *(encoding.stream for encoding in message.further))
        feed = FeedReader(sock, expires_ns=EXPIRED_NS, streams=streams)
        # What has piled up before is older than the anchor: it would only delay what follows.
        feed.discard()
        self._remove_feed(message.room)
        own = Encoding(OWN, PAYLOAD_CODED, message.codec, 0, message.frame_samples)
        room = RoomFeed(message.room, feed, self._engine, own, message.further)
        room.start(message.anchor_media_time, message.anchor_ns)
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
            self._control.send(control_wire.pack(message), _DONTWAIT | socket.MSG_NOSIGNAL)
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
    map_blocks_from(MAPPED_BYTES)
    sock = socket.socket(fileno=int(sys.argv[1]))
    process = BroadcastProcess(sock, scheduling=steady(PRIORITY))
    gc.disable()
    process.run()
    sys.stderr.flush()
    # Thousands of sessions need no orderly end, and the port is wanted back at once.
    os._exit(0)


if __name__ == "__main__":
    main()

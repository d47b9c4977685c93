"""One packet in, a datagram to every listener of its room out: all outbound SRTP and SRTCP.

The rules that keep SRTP safe are kept here (`tests/broadcast/test_rules.py` has a test of each): one engine
writes a listener's packets for its whole life and takes no key twice; sequence numbers start below 2¹⁵; the
history holds protected bytes, each resent at most twice; a destination that fails is stepped over.
Single-threaded; nothing here blocks for longer than `batch.BUDGET_NS`.
"""

from __future__ import annotations

import hashlib
import socket
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from rtcserver.broadcast import batch, rtcp
from rtcserver.broadcast.address import Route, route
from rtcserver.broadcast.arena import MAX_PAYLOAD, SlotState
from rtcserver.broadcast.batch import SendBudget
from rtcserver.broadcast.bench import Bench
from rtcserver.broadcast.group import Group, Lane, ListenerState
from rtcserver.broadcast.listener import PAYLOAD_CODED, ListenerCounters, ListenerSpec, Totals
from rtcserver.broadcast.repeats import Repeats
from rtcserver.broadcast.session_key import GCM_KEY_BYTES, SessionKey, multi_buffer
from rtcserver.broadcast.srtp import OutboundSrtp
from rtcserver.broadcast.streams import STREAM_LANE, Streams
from rtcserver.broadcast.turns import ReportTurns
from rtcserver.clock import MEDIA_RATE, ntp_from_wall
from rtcserver.encode.packet import EncodedPacket
from rtcserver.transport.address import Address

MAX_RESENDS = 2
"""How often one packet is sent again."""
RESEND_SHARE = 0.5
"""Retransmissions that a listener gets on average, per packet of its room."""
RESEND_BURST = 64
"""Retransmissions that a listener gets at once after a quiet time."""
MAX_KEYS = 16_384
"""Digests of master keys that are remembered, so that none is used twice."""
_NONE: dict[str, None] = {}


class BroadcastEngine:
    """Owns every listener's outbound SRTP and SRTCP. The sockets stay the caller's.

    sockets: the UDP sockets that `fd_index` counts, all of one open port; may grow by `add_socket`.
    batched: False to send by one system call a datagram, as where sendmmsg does not exist. bursts: False to have libsrtp
    protect everything, as where there is no multi-buffer library.
    """

    def __init__(
        self,
        sockets: Iterable[socket.socket] = (),
        *,
        batched: bool = batch.HAVE_SENDMMSG,
        bursts: bool = True,
    ) -> None:
        self.bursts = bursts
        self._sockets = list(sockets)
        self.streams = Streams()
        self._batched = batched
        self._bench = Bench()
        self._groups: dict[tuple[str, str], Group] = {}
        self._kinds: dict[str, dict[str, None]] = {}
        """Of each room, what `_groups` has, in order."""
        self._clocks: defaultdict[str, rtcp.CaptureClock] = defaultdict(rtcp.CaptureClock)
        self._listeners: dict[int, ListenerState] = {}
        self._turns = ReportTurns()
        self._repeats = Repeats()
        self._wall_ns: int | None = None
        """What the monotonic clock lacks to ns since 1970."""
        self._keys: dict[bytes, None] = {}
        self._left = Totals()
        """What is not kept per listener, and the sums of those that have left."""

    def add_socket(self, sock: socket.socket) -> int:
        """Add a UDP socket and return its `fd_index`."""
        self._sockets.append(sock)
        return len(self._sockets) - 1

    def __len__(self) -> int:
        return len(self._listeners)

    def __contains__(self, listener_id: int) -> bool:
        return listener_id in self._listeners

    # Listeners

    def add(self, spec: ListenerSpec) -> None:
        """Begin to send a room to a listener. Raises ValueError if that cannot be done safely."""
        if spec.listener_id in self._listeners:
            raise ValueError(f"listener {spec.listener_id} is already there")
        fd_index, sock, way = self._way(spec.destination, spec.source, spec.fd_index, spec.stream)
        description = rtcp.source_description(spec.ssrc, spec.cname)
        digest = hashlib.blake2b(spec.master, digest_size=16).digest()
        if digest in self._keys:
            raise ValueError("the master key has been used before: a listener reconnects with a fresh one")
        srtp = OutboundSrtp(spec.profile, spec.master, spec.ssrc)
        library = multi_buffer() if self.bursts and spec.profile in GCM_KEY_BYTES else None
        key = None if library is None else SessionKey.derive(library, spec.profile, spec.master)
        group = self._group(spec.room, spec.kind, spec.clock_step)
        self._keys[digest] = None
        if len(self._keys) > MAX_KEYS:
            del self._keys[next(iter(self._keys))]
        place = group.place(
            Lane(fd_index, spec.capture_id, 0 if key is None else key.length),
            SlotState(
                context=srtp.context,
                tag=srtp.tag_length,
                route=way,
                payload_type=spec.payload_type,
                ssrc=spec.ssrc,
                sequence=spec.first_sequence,
                timestamp_offset=spec.timestamp_offset,
                key=key,
            ),
        )
        listener = ListenerState(spec, srtp, description, sock, way, place, RESEND_BURST, group.sent)
        listener.settle(place)
        self._listeners[spec.listener_id] = listener
        self._turns.add(listener)

    def remove(self, listener_id: int, *, say_bye: bool = True) -> bool:
        """Stop sending to a listener, with a BYE. False if there is no such listener."""
        listener = self._listeners.pop(listener_id, None)
        if listener is None:
            return False
        self._turns.remove(listener_id)
        if say_bye:
            self._send_rtcp(listener, rtcp.bye(listener.spec.ssrc))
        counters, left = listener.counters(), self._left
        left.packets += counters.packets
        left.octets += counters.octets
        left.errors += counters.errors
        left.dropped += counters.dropped
        group = listener.place.group
        group.vacate(listener.place)
        self._prune(group)
        return True

    def remove_all(self) -> None:
        """Say BYE to everybody."""
        for listener_id in list(self._listeners):
            self.remove(listener_id)

    def set_address(
        self,
        listener_id: int,
        destination: Address | None,
        source: str | None,
        fd_index: int = 0,
        stream: int = 0,
    ) -> bool:
        """Send a listener's next packets elsewhere. False if there is no such listener."""
        listener = self._listeners.get(listener_id)
        if listener is None:
            return False
        fd_index, sock, way = self._way(destination, source, fd_index, stream)
        listener.sock, listener.route = sock, way
        if listener.place.lane.fd_index != fd_index:
            listener.relocate(listener.place.group, listener.place.lane._replace(fd_index=fd_index))
        listener.place.block.set_route(listener.place.slot, way)
        return True

    def set_kind(self, listener_id: int, kind: str, payload_type: int) -> bool:
        """Give a listener another kind of payload of its room, under this payload type, in the same RTP stream.

        Raises ValueError if others get that kind by another RTP clock.
        """
        listener = self._listeners.get(listener_id)
        if listener is None:
            return False
        spec = listener.spec
        old, group = listener.place.group, self._group(spec.room, kind, spec.clock_step)
        if group is not old:
            listener.relocate(group, listener.place.lane, payload_type)
            self._prune(old)
        return True

    def set_copied(self, listener_id: int, every: int) -> bool:
        """Send a listener packets twice from now on: those whose sequence numbers `every` divides, 1: each, 0: none.
        False if there is no such listener."""
        listener = self._listeners.get(listener_id)
        if listener is None:
            return False
        listener.place.block.set_copied(listener.place.slot, every)
        return True

    # Media

    def send(self, room: str, packet: EncodedPacket, kind: str = PAYLOAD_CODED) -> None:
        """Send a packet to every listener of a room, and keep it for NACK."""
        if kind == PAYLOAD_CODED:
            self.observe(room, packet)
        if len(packet.payload) > MAX_PAYLOAD:
            self._left.oversized += 1
            return
        group = self._groups.get((room, kind))
        if group is None:
            return
        group.set_duration(packet.duration)
        payload = np.frombuffer(packet.payload, np.uint8)
        timestamp = packet.media_time // group.clock_step & 0xFFFF_FFFF
        extensions = group.extensions(packet, self._clocks[room], self._wall_ns)
        budget = SendBudget()
        group.sent += 1
        twice = False
        for lane, block in group.blocks:
            block.fill(payload, timestamp, extensions.get(lane.capture_id) if extensions else None)
            block.protect()
            if lane.fd_index == STREAM_LANE:
                block.write()
            else:
                block.send(self._sockets[lane.fd_index], budget, batched=self._batched)
            block.remember(group.depth)
            twice |= block.repeats
        if twice:
            self._repeats.add(group)

    def repeat(self, now_ns: int) -> int:
        """Send the second copies that are due; to be called after `send`, and when `repeat_due_ns` has come.

        Each is the same protected packet as the first, so a receiver that has had that drops it as a replay (RFC 3711,
        section 3.3.2). Returns how many were sent.
        """
        sent = self._repeats.send(now_ns, self._sockets, batched=self._batched)
        self._left.repeats += sent
        return sent

    @property
    def repeat_due_ns(self) -> int | None:
        """When the next second copies are due; None if there are none."""
        return self._repeats.due_ns

    def observe(self, room: str, packet: EncodedPacket) -> None:
        """Read the room's clock off a packet, always of the same kind: each kind has a latency of its own."""
        self._clocks[room].observe(packet.media_time, packet.duration, packet.captured_ns, packet.epoch)

    def kind_of(self, listener_id: int) -> str | None:
        """The kind of payload that a listener gets, None if there is no such listener."""
        listener = self._listeners.get(listener_id)
        return None if listener is None else listener.place.group.kind

    def room_of(self, listener_id: int) -> str | None:
        """The room that a listener hears, None if there is no such listener."""
        listener = self._listeners.get(listener_id)
        return None if listener is None else listener.spec.room

    def has_listeners(self, room: str, kind: str) -> bool:
        """Whether anybody gets this kind of a room's payloads."""
        return (room, kind) in self._groups

    def kinds(self, room: str) -> Collection[str]:
        """The kinds of a room's payloads that somebody gets, at this moment."""
        return self._kinds.get(room, _NONE)

    def forget_room(self, room: str) -> None:
        """Let go of a room's clock, when its feed is removed."""
        self._clocks.pop(room, None)

    def nack(self, listener_id: int, sequences: Iterable[int]) -> int:
        """Resend protected packets that a listener misses. Returns how many were sent."""
        listener = self._listeners.get(listener_id)
        if listener is None:
            return 0
        group = listener.place.group
        earned = (group.sent - listener.credited_at) * RESEND_SHARE
        # No more than is kept can be missing.
        listener.credit = min(RESEND_BURST, group.depth, listener.credit + earned)
        listener.credited_at = group.sent
        sent = 0
        for sequence in sequences:
            packet = listener.recall(sequence)
            if packet is None or listener.credit < 1 or listener.resent.get(sequence, 0) >= MAX_RESENDS:
                self._left.refused_nacks += 1
                continue
            listener.credit -= 1
            listener.resent[sequence] = listener.resent.get(sequence, 0) + 1
            if batch.send_one(listener.sock, packet, listener.route):
                listener.place.block.errors[listener.place.slot] += 1
                continue
            listener.retransmits += 1
            sent += 1
        self._left.retransmits += sent
        return sent

    # RTCP

    def report(self, now_ns: int, wall_ns: int, elapsed_ns: int) -> list[ListenerCounters]:
        """Send sender reports to those whose turn has come; returns the counters of all those visited.

        now_ns and wall_ns are the same moment on both clocks. With `elapsed_ns` since the last call, the
        corresponding share of the listeners becomes due, at most `MAX_REPORTS` a call. Newcomers come
        first, so that their browsers can match the clocks soon. Who has been sent nothing yet is visited
        without a report.
        """
        self._wall_ns = wall_ns - now_ns
        visited = []
        for listener in self._turns.take(elapsed_ns):
            listener.forget()
            counters = listener.counters()
            if counters.packets:
                self._send_rtcp(listener, b"", (now_ns, wall_ns), counters)
            visited.append(counters)
        return visited

    def _send_rtcp(
        self,
        listener: ListenerState,
        tail: bytes,
        moment: tuple[int, int] | None = None,
        counters: ListenerCounters | None = None,
    ) -> None:
        """A compound packet: a report (empty without a moment and counters), the CNAME, and `tail`."""
        spec = listener.spec
        media = self._clocks[spec.room].media_at(moment[0]) if moment and spec.room in self._clocks else None
        if moment is None or media is None or counters is None:
            # An empty receiver report opens a compound packet that has nothing to state (section 6.1).
            head = b"\x80\xc9\x00\x01" + spec.ssrc.to_bytes(4)
        else:
            head = rtcp.sender_report(
                spec.ssrc,
                ntp_from_wall(moment[1]),
                media // spec.clock_step + spec.timestamp_offset,
                counters.packets,
                counters.octets,
            )
        try:
            protected = listener.srtp.protect_rtcp(head + listener.description + tail)
        except ValueError:
            self._left.report_errors += 1
            return
        if batch.send_one(listener.sock, protected, listener.route):
            self._left.report_errors += 1
        else:
            self._left.reports += 1

    # Counters

    def counters(self, listener_id: int) -> ListenerCounters | None:
        """One listener's counters, or None if there is no such listener."""
        listener = self._listeners.get(listener_id)
        return None if listener is None else listener.counters()

    def totals(self) -> Totals:
        """Sums over all listeners, those that have left included."""
        totals = replace(self._left, listeners=len(self._listeners), **self.streams.counted())
        for group in self._groups.values():
            totals.protect_failures += group.protect_failures
            for block in (block for lane in group.lanes.values() for block in lane):
                packets, octets, errors, dropped = block.sums()
                totals.packets += packets
                totals.octets += octets
                totals.errors += errors
                totals.dropped += dropped
                totals.protect_failures += block.protect_failures
        return totals

    def audience(self) -> dict[str, int]:
        """Number of listeners by room."""
        count: dict[str, int] = {}
        for (room, _), group in self._groups.items():
            count[room] = count.get(room, 0) + len(group.members)
        return count

    def _way(
        self, destination: Address | None, source: str | None, fd_index: int, stream: int
    ) -> tuple[int, socket.socket, Route]:
        """Lane, socket and route of a UDP address, or of a TCP stream. Raises ValueError if there is no such way."""
        if stream:
            way = self.streams.route(stream)
            assert way.stream is not None
            return STREAM_LANE, way.stream.sock, way
        sock = self._socket(fd_index)
        return fd_index, sock, route(sock.family, destination, source)

    def _socket(self, fd_index: int) -> socket.socket:
        if not 0 <= fd_index < len(self._sockets):
            raise ValueError(f"fd_index is {fd_index}: there are {len(self._sockets)} sockets")
        return self._sockets[fd_index]

    def _group(self, room: str, kind: str, clock_step: int) -> Group:
        group = self._groups.get((room, kind))
        if group is not None and group.clock_step != clock_step:
            raise ValueError(f"{kind} has timestamps of {MEDIA_RATE // group.clock_step} Hz for others")
        if group is None:
            group = self._groups[room, kind] = Group(room, kind, self._bench, clock_step)
            self._kinds.setdefault(room, {})[kind] = None
        return group

    def _prune(self, group: Group) -> None:
        """Give an empty group up."""
        if not group.lanes:
            self._left.protect_failures += group.protect_failures
            del self._groups[group.room, group.kind]
            del self._kinds[group.room][group.kind]

"""The listeners that get the same payload, and the slots that they sit in.

A `Group` is one room and payload kind. Its slots are dense, so a listener that leaves or moves makes
another one change its slot; sequence numbers, counters and the history for NACK move along.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcserver.broadcast.address import Route
from rtcserver.broadcast.arena import SlotBlock, SlotState
from rtcserver.broadcast.bench import Bench
from rtcserver.broadcast.capture_time import INTERVAL_NS, SIZE, extension
from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec
from rtcserver.broadcast.rtcp import CaptureClock
from rtcserver.broadcast.srtp import OutboundSrtp
from rtcserver.clock import samples_to_ns
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import MAX_PAYLOAD

HISTORY_NS = 600_000_000
"""How long protected packets are kept for NACK."""
MAX_HISTORY = 512
"""Sends that are kept at most, however short the frames."""


class Lane(NamedTuple):
    """What listeners of one block have in common: the index of their socket, the id of their header extension or 0, and
    the length of their keys where they are protected in bursts, else 0."""

    fd_index: int
    capture_id: int = 0
    key_length: int = 0


class Group:
    """Who gets one room's packets of one payload kind, in blocks by the socket they are sent from.

    clock_step: samples at 48 kHz in one unit of their RTP timestamps.
    """

    def __init__(self, room: str, kind: str, bench: Bench, clock_step: int = 1) -> None:
        self._bench = bench
        self.room = room
        self.kind = kind
        self.clock_step = clock_step
        self.lanes: dict[Lane, list[SlotBlock]] = {}
        """None of the blocks is empty."""
        self.blocks: list[tuple[Lane, SlotBlock]] = []
        """The same in the order of sending: streams last, as each takes a system call, which nobody else has to wait for."""
        self._told_ns: int | None = None
        """`EncodedPacket.captured_ns` of the last packet that said when it was captured; None if somebody waits for one."""
        self.members: dict[tuple[int, int], ListenerState] = {}
        """Who is in which slot, by (id of the block, slot)."""
        self.sent = 0
        """Packets sent to the group. Each block's newest plane is that of the last one."""
        self.depth = 1
        """Planes that a block keeps."""
        self._duration = 0
        self.protect_failures = 0

    def set_duration(self, samples: int) -> None:
        """Keep as many packets of `samples` at 48 kHz as the history's length asks for."""
        if samples != self._duration:
            self._duration = samples
            wanted = -(-HISTORY_NS // samples_to_ns(max(samples, 1)))
            self.depth = max(1, min(MAX_HISTORY, wanted))

    def extensions(
        self, packet: EncodedPacket, clock: CaptureClock, wall_ns: int | None
    ) -> dict[int, npt.NDArray[np.uint8]]:
        """By id, the header extensions that this packet has: at the start, and then once a second.

        wall_ns: what the monotonic clock has to be added to for ns since 1970; None while that is not known.
        """
        if self._told_ns is not None and packet.captured_ns - self._told_ns < INTERVAL_NS:
            return {}
        ids = {lane.capture_id for lane in self.lanes if lane.capture_id}
        captured_ns = clock.captured_ns(packet.media_time)
        if not ids or captured_ns is None or wall_ns is None:
            return {}
        # A network that carries datagrams of 1,200 bytes in one piece carries this one, too.
        if len(packet.payload) + SIZE > MAX_PAYLOAD:
            return {}
        self._told_ns = packet.captured_ns
        return {one: np.frombuffer(extension(one, captured_ns + wall_ns), np.uint8) for one in ids}

    def place(self, lane: Lane, state: SlotState) -> Place:
        """Take the next free slot of a lane."""
        blocks = self.lanes.setdefault(lane, [])
        if not blocks or blocks[-1].full:
            blocks.append(SlotBlock(self._bench, lane.key_length))
            self._order()
        if lane.capture_id:
            self._told_ns = None
        return Place(self, lane, blocks[-1], blocks[-1].place(state), self.sent)

    def vacate(self, place: Place) -> None:
        """Free a slot: the last listener of the same lane moves into the hole."""
        blocks = self.lanes[place.lane]
        last = blocks[-1]
        mover = self.members.pop((id(last), last.count - 1))
        if mover.place is not place:
            mover.carried = mover.history()
            place.block.replace(place.slot, mover.place.state())
            mover.settle(Place(self, place.lane, place.block, place.slot, self.sent))
        last.drop_last()
        if not last.count:
            self.protect_failures += last.protect_failures
            blocks.pop()
            if not blocks:
                del self.lanes[place.lane]
            self._order()

    def _order(self) -> None:
        self.blocks = [
            (lane, block) for lane in sorted(self.lanes, reverse=True) for block in self.lanes[lane]
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A slot, and how many packets its group had been sent when it was taken."""

    group: Group
    lane: Lane
    block: SlotBlock
    slot: int
    since: int

    def state(self) -> SlotState:
        """The columns of the slot."""
        return self.block.state(self.slot)

    @property
    def sequence(self) -> int:
        """The next packet's sequence number."""
        return self.block.sequence(self.slot)

    @property
    def sent(self) -> int:
        """Packets sent from this slot."""
        return self.group.sent - self.since


@dataclass(slots=True, eq=False)
class ListenerState:
    """One listener's state that is not in the columns of its slot.

    credit: retransmissions it may still have; earned by the packets sent since `credited_at`.
    carried: history from a slot that it has left, by sequence number.
    resent: how often each sequence number has been resent.
    """

    spec: ListenerSpec
    srtp: OutboundSrtp
    description: bytes
    sock: socket.socket
    route: Route
    place: Place
    credit: float
    credited_at: int
    carried: dict[int, bytes] | None = None
    resent: dict[int, int] = field(default_factory=dict)
    retransmits: int = 0

    def settle(self, place: Place) -> None:
        """Be in `place` from now on."""
        self.place = place
        self.credited_at = place.since
        place.group.members[id(place.block), place.slot] = self

    def relocate(self, group: Group, lane: Lane, payload_type: int | None = None) -> None:
        """Move to another group or lane, and to another payload type if it is given; the RTP stream and its history
        go on."""
        self.carried = self.history()
        old = self.place
        state = old.state()
        if payload_type is not None:
            state = state._replace(payload_type=payload_type)
        # Into the new slot first, so that the group is not empty in between.
        place = group.place(lane, state)
        old.group.vacate(old)
        self.settle(place)

    def recall(self, sequence: int) -> bytes | None:
        """The protected packet with this sequence number, if it is still kept."""
        place = self.place
        age = (place.sequence - 1 - sequence) & 0xFFFF
        if age < place.sent:
            return place.block.recall(place.slot, age)
        if self.carried is None or age >= MAX_HISTORY:
            return None
        return self.carried.get(sequence)

    def history(self) -> dict[int, bytes]:
        """All packets that can still be resent, by sequence number."""
        place = self.place
        following = place.sequence
        # A group that has sent nothing yet does not know its depth.
        limit = place.group.depth if place.sent else MAX_HISTORY
        kept = {
            sequence: packet
            for sequence, packet in (self.carried or {}).items()
            if (following - 1 - sequence) & 0xFFFF < limit
        }
        for age in range(min(place.sent, len(place.block.planes))):
            packet = place.block.recall(place.slot, age)
            if packet is not None:
                kept[(following - 1 - age) & 0xFFFF] = packet
        return kept

    def forget(self) -> None:
        """Let go of what is too old to be asked for."""
        place = self.place
        if self.carried is not None and place.sent >= place.group.depth:
            self.carried = None
        if self.resent:
            newest = place.sequence - 1
            self.resent = {
                sequence: count
                for sequence, count in self.resent.items()
                if (newest - sequence) & 0xFFFF < MAX_HISTORY
            }

    def counters(self) -> ListenerCounters:
        """What has been counted since the listener was added."""
        block, slot = self.place.block, self.place.slot
        return ListenerCounters(
            self.spec.listener_id,
            block.packets(slot),
            block.octets(slot),
            self.retransmits,
            int(block.errors[slot]),
            int(block.dropped[slot]),
        )

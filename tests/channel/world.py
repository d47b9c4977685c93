"""Two ends and a seeded bad network between them, on virtual time."""

from __future__ import annotations

import heapq

from rtcserver.channel import cells
from rtcserver.channel.down.journal import Journal
from rtcserver.channel.down.messages import Notes, Reply, unpack_down
from rtcserver.channel.down.receiver import DownReceiver, Heard
from rtcserver.channel.down.sender import Cadence, DownSender
from rtcserver.channel.midi_peer import MidiPeer
from rtcserver.channel.up.receiver import Played
from rtcserver.channel.up.sender import UpSender
from rtcserver.clock import ns_to_samples
from rtcserver.network.impair import CLEAN, Impairment, Path

MS = 1_000_000
SECOND = 1_000 * MS
START_NS = 5 * SECOND
MEDIA_AT_START = 1_000_000
PERFORMER = 7


def media_at(now_ns: int) -> int:
    """The room's media time at a virtual moment."""
    return MEDIA_AT_START + ns_to_samples(now_ns - START_NS)


class Link:
    """One direction. What is in flight when the impairment changes keeps its fate."""

    def __init__(self, impairment: Impairment, seed: str) -> None:
        self.path = Path(impairment, seed)
        self._number = 0
        self._flying: list[tuple[int, int, bytes]] = []

    def impair(self, impairment: Impairment) -> None:
        self.path.impairment = impairment

    def send(self, messages: list[bytes], now_ns: int) -> None:
        for message in messages:
            assert len(message) <= 1100
            for at in self.path.decide(self._number, now_ns, len(message)):
                self._number += 1
                heapq.heappush(self._flying, (at, self._number, message))
            self._number += 1

    @property
    def next_ns(self) -> int:
        return self._flying[0][0] if self._flying else 1 << 62

    def arrived(self, now_ns: int) -> list[bytes]:
        out = []
        while self._flying and self._flying[0][0] <= now_ns:
            out.append(heapq.heappop(self._flying)[2])
        return out


class DownWorld:
    """A journal, one cadence, and one client that joins at the start."""

    def __init__(self, cadence: Cadence, impairment: Impairment, seed: str = "down") -> None:
        self.now_ns = START_NS
        self.journal = Journal()
        self.sender = DownSender(self.journal, cadence, self.now_ns)
        self.link = Link(impairment, seed)
        self.receiver = DownReceiver()
        self.heard: list[tuple[int, Heard]] = []
        self.sent: list[tuple[int, bytes]] = []
        self.arrivals: list[bytes] = []
        self._send(self.sender.join(self.now_ns, media_at(self.now_ns)))

    def push(self, message: bytes, performer: int = PERFORMER) -> None:
        self.journal.push(performer, message, media_at(self.now_ns), self.now_ns)

    def advance(self, ns: int) -> None:
        end_ns = self.now_ns + ns
        while True:
            self._turn()
            self.now_ns = max(self.now_ns, min(end_ns, self.sender.next_ns, self.link.next_ns))
            if self.now_ns >= end_ns:
                self._turn()
                return

    def _turn(self) -> None:
        self._send(self.sender.poll(self.now_ns, media_at(self.now_ns)))
        for message in self.link.arrived(self.now_ns):
            self.arrivals.append(message)
            notes = unpack_down(message)
            assert isinstance(notes, Notes)
            self.heard.extend((self.now_ns, heard) for heard in self.receiver.receive(notes))

    def _send(self, messages: list[bytes]) -> None:
        self.sent.extend((self.now_ns, message) for message in messages)
        self.link.send(messages, self.now_ns)

    def truth(self) -> dict[tuple[int, int], int]:
        return {(who, cell): value for who, cell, value in self.journal.state.cells()}


class UpWorld:
    """One performer and the server's end of their session."""

    def __init__(self, up: Impairment, down: Impairment = CLEAN, seed: str = "up") -> None:
        self.now_ns = START_NS
        self.sender = UpSender(self.now_ns)
        self.peer = MidiPeer()
        self.peer.grant(PERFORMER, self.now_ns)
        self.up, self.down = Link(up, f"{seed}/up"), Link(down, f"{seed}/down")
        self.played: list[tuple[int, Played]] = []
        self.sent: list[tuple[int, bytes]] = []

    def push(self, message: bytes) -> None:
        self.sender.push(message, self.now_ns)

    def advance(self, ns: int) -> None:
        end_ns = self.now_ns + ns
        while True:
            self._turn()
            self.now_ns = max(self.now_ns, min(end_ns, *self._next()))
            if self.now_ns >= end_ns:
                self._turn()
                return

    def _next(self) -> tuple[int, ...]:
        peer = self.peer.next_ns
        return (
            self.sender.next_ns,
            self.up.next_ns,
            self.down.next_ns,
            (1 << 62) if peer is None else peer,
        )

    def _turn(self) -> None:
        messages = self.sender.poll(self.now_ns)
        self.sent.extend((self.now_ns, message) for message in messages)
        self.up.send(messages, self.now_ns)
        received = [self.peer.poll(self.now_ns, media_at(self.now_ns))]
        received += [
            self.peer.receive(message, self.now_ns, media_at(self.now_ns))
            for message in self.up.arrived(self.now_ns)
        ]
        for played, replies in received:
            self.played.extend((self.now_ns, one) for one in played)
            self.down.send(replies, self.now_ns)
        for message in self.down.arrived(self.now_ns):
            reply = unpack_down(message)
            assert isinstance(reply, Reply)
            self.sender.receive(reply, self.now_ns)

    def sounding(self) -> dict[int, int]:
        """What the routing was told, applied: the keys and pedals that the instrument has down."""
        down: dict[int, int] = {}
        for _, played in self.played:
            write = cells.write_of(PERFORMER, played.message)
            if write is not None and cells.owned(write.cell):
                down[write.cell] = write.value
        return {cell: value for cell, value in down.items() if value}

"""What the server and a broadcast process say to one another. Pure.

JSON over an ``AF_UNIX``/``SOCK_SEQPACKET`` pair, one object a record (`rtcserver.broadcast.control_wire`), its ``type``
the snake-case name of a class here. `AddSockets`, `AddCheckSocket`, `AddFeed` and `AddStream` come with descriptors
(SCM_RIGHTS). Keys cross this socket, which only the two processes have; no message is ever logged.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.broadcast.check_messages import CheckMessage
from rtcserver.broadcast.lateness import BOUNDS_US
from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec, Totals
from rtcserver.encode import codec
from rtcserver.encode.encoding import Encoding
from rtcserver.transport.address import Address

MAX_MESSAGE = 65_536
MAX_FDS = 16
"""Descriptors that one message carries at most."""
MAX_NACKS = 512
"""Sequence numbers in one `Resend`."""
MAX_ROWS = 256
"""Listeners in one `ListenerStats` or `StatsRequest`."""


@dataclass(frozen=True, slots=True)
class AddSockets:
    """Down, with `count` descriptors: more UDP sockets. `ListenerSpec.fd_index` counts them from 0."""

    count: int

    def __post_init__(self) -> None:
        _in_range("count", self.count, 1, MAX_FDS)


@dataclass(frozen=True, slots=True)
class AddFeed:
    """Down, with one descriptor: the reading half of a room's feed. Replaces the room's feed if it has one.

    anchor_media_time (48 kHz samples) was, or will be, reached at anchor_ns (monotonic): silence runs
    from there until the first packet. codec: the name of the room's (`rtcserver.encode.codec`). further: the encodings
    that may be on the feed beside the room's own.
    """

    room: str
    frame_samples: int
    anchor_media_time: int
    anchor_ns: int
    codec: str = codec.DEFAULT.name
    further: tuple[Encoding, ...] = ()

    def __post_init__(self) -> None:
        allowed = codec.codec_named(self.codec).frames
        if self.frame_samples not in allowed:
            raise ValueError(f"frame_samples is {self.frame_samples}: allowed are {allowed}")


@dataclass(frozen=True, slots=True)
class SetAnchor:
    """Down: a moment of a room's timeline, as `AddFeed` has it, before a listener comes to a room that had none."""

    room: str
    media_time: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class RemoveFeed:
    """Down: the room falls silent, and so do its listeners."""

    room: str


@dataclass(frozen=True, slots=True)
class WithoutBursts:
    """Down, before the first listener: libsrtp protects all packets, as where there is no multi-buffer library."""


@dataclass(frozen=True, slots=True)
class AddListener:
    """Down. Answered by `Refused` if the listener cannot be served, by nothing otherwise."""

    spec: ListenerSpec


@dataclass(frozen=True, slots=True)
class SetAddress:
    """Down: send a listener's packets to another address, from another socket or source."""

    listener_id: int
    destination: Address | None
    source: str | None = None
    fd_index: int = 0
    stream: int = 0


@dataclass(frozen=True, slots=True)
class AddStream:
    """Down, with one descriptor: a connected TCP socket, on which the server process writes no more.

    number: what `ListenerSpec.stream` calls it, from 1. rest: in hexadecimal, what is to be written first. unsent_bytes:
    see `rtcserver.transport.frame_writer.UNSENT_BYTES`.
    """

    number: int
    rest: str
    unsent_bytes: int

    def __post_init__(self) -> None:
        _in_range("number", self.number, 1, 1 << 53)
        _in_range("unsent_bytes", self.unsent_bytes, 1, 1 << 24)


@dataclass(frozen=True, slots=True)
class SendStream:
    """Down: write a packet of the server's own on a stream. packet: in hexadecimal, without its length."""

    number: int
    packet: str


@dataclass(frozen=True, slots=True)
class RemoveStream:
    """Down: write no more on a stream, and close it."""

    number: int


@dataclass(frozen=True, slots=True)
class SetKind:
    """Down: give a listener another kind of payload, in the same RTP stream. payload_type: of its packets from then on.
    Another encoding comes as soon as both have reached a place where a listener may change."""

    listener_id: int
    kind: str
    payload_type: int

    def __post_init__(self) -> None:
        _in_range("payload_type", self.payload_type, 0, 127)


@dataclass(frozen=True, slots=True)
class SetCopied:
    """Down: send a listener packets twice from now on, those whose sequence numbers `every` divides; 1: each, 0: none."""

    listener_id: int
    every: int

    def __post_init__(self) -> None:
        _in_range("every", self.every, 0, 2)


@dataclass(frozen=True, slots=True)
class RemoveListener:
    """Down: say BYE to a listener and forget it."""

    listener_id: int


@dataclass(frozen=True, slots=True)
class Resend:
    """Down: a listener misses these sequence numbers."""

    listener_id: int
    sequences: tuple[int, ...]

    def __post_init__(self) -> None:
        _in_range("number of sequences", len(self.sequences), 0, MAX_NACKS)
        for sequence in self.sequences:
            _in_range("sequence", sequence, 0, 0xFFFF)


@dataclass(frozen=True, slots=True)
class StatsRequest:
    """Down: answered by a `ListenerStats` of those of the listeners that exist, then a `BroadcastReport`."""

    token: int
    listener_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _in_range("number of listeners", len(self.listener_ids), 0, MAX_ROWS)


@dataclass(frozen=True, slots=True)
class Stop:
    """Down, as to every child (`rtcserver.children.control_socket`): say BYE to all listeners and exit."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Up, first: the process serves. scheduling: ``fifo``, ``nice`` or ``normal``."""

    pid: int
    scheduling: str
    sendmmsg: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Up: a listener was not added; reason is one sentence without key material."""

    listener_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class ListenerStats:
    """Up: counters of some listeners. Every listener's turn comes about every five seconds, and on request."""

    rows: tuple[ListenerCounters, ...]


@dataclass(frozen=True, slots=True)
class RoomCounters:
    """One room's totals since its feed was added; see `rtcserver.encode.continuity`.

    expired: packets that came too late to be worth sending. invalid: records that were none.
    """

    listeners: int = 0
    emitted: int = 0
    silent: int = 0
    stale: int = 0
    skipped_samples: int = 0
    expired: int = 0
    invalid: int = 0


@dataclass(frozen=True, slots=True)
class BroadcastReport:
    """Up, once a second (token 0) and on request: totals, rooms, and how late packets leave.

    late_counts: packets by the time from `captured_ns` to after the last listener's datagram, in the
    buckets of `lateness.BOUNDS_US`, and late_sum_ns their sum, since the process began; late_max_ns since the last report.
    unknown: messages about listeners that are not there. unsent: own messages that found the socket full.
    dropped_resends: requests to resend that gave way to newer ones. srtp: see `rtcserver.broadcast.session_key.protection`.
    """

    token: int
    totals: Totals
    rooms: dict[str, RoomCounters]
    late_counts: tuple[int, ...] = (0,) * (len(BOUNDS_US) + 1)
    late_max_ns: int = 0
    unknown: int = 0
    unsent: int = 0
    late_sum_ns: int = 0
    dropped_resends: int = 0
    srtp: str = ""


Message = (
    AddSockets
    | AddFeed
    | SetAnchor
    | RemoveFeed
    | WithoutBursts
    | AddListener
    | SetAddress
    | AddStream
    | SendStream
    | RemoveStream
    | SetKind
    | SetCopied
    | RemoveListener
    | Resend
    | StatsRequest
    | Stop
    | Ready
    | Refused
    | ListenerStats
    | BroadcastReport
    | CheckMessage
)


def _in_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}: allowed is {low} to {high}")

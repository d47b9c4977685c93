"""A listener as the broadcast process is told of it, and what is counted for it. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

from rtcserver.broadcast.capture_time import MAX_ID
from rtcserver.broadcast.srtp import MAX_FIRST_SEQUENCE, SrtpProfile
from rtcserver.clock import MEDIA_RATE
from rtcserver.encode import codec
from rtcserver.transport.address import Address

PAYLOAD_CODED = codec.DEFAULT.name
"""The packets of the room's own encoding. Those of the others have their names (`rtcserver.encode.encoding`)."""
PAYLOAD_SILENCE = "silence"
"""Encoded silence on the same timeline: for Studio listeners until their worker says that it is there."""
PAYLOAD_PCM = "pcm"
"""Studio payloads (`rtcserver.encode.pcm`)."""
PAYLOAD_PCM_TWICE = "pcm-twice"
"""Studio payloads with each block sent twice."""
_BESIDE = "pcm&"
"""Begins the kinds that are Studio payloads and the packets of an encoding beside them, in one RTP stream."""

PCM_KINDS = (PAYLOAD_PCM, PAYLOAD_PCM_TWICE)
PAYLOAD_AGAIN = "again"
"""What others have had already: for a listener that comes to it from another kind."""


class KindParts(NamedTuple):
    """What a kind of payload is. encoding: its name, or the whole kind where it is none of an encoding. level: of earlier
    frames, with the codec's payload type if it is above 0. samples: whether Studio payloads come beside it."""

    encoding: str
    level: int = 0
    payload_type: int = 0
    samples: bool = False


def redundant_kind(level: int, payload_type: int, encoding: str = PAYLOAD_CODED) -> str:
    """The kind of packets of an encoding with up to `level` earlier frames (`rtcserver.encode.red`), for listeners that
    know its codec by this payload type; level 0 is the encoding's name."""
    return f"{encoding}+{level}/{payload_type}" if level else encoding


def with_samples(kind: str) -> str:
    """The kind of Studio payloads and, beside them, packets of this kind. A reader tells them apart by their first two bytes
    (`rtcserver.encode.pcm`), whatever the payload type."""
    return _BESIDE + kind


@functools.lru_cache(maxsize=512)
def parts_of(kind: str) -> KindParts:
    """The parts of a kind that `redundant_kind` or `with_samples` made, or of any other."""
    if kind.startswith(_BESIDE):
        return parts_of(kind.removeprefix(_BESIDE))._replace(samples=True)
    encoding, plus, rest = kind.partition("+")
    if not plus:
        return KindParts(kind)
    level, _, payload_type = rest.partition("/")
    return KindParts(encoding, int(level), int(payload_type))


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A listener as the server process hands it over once DTLS is done. Raises ValueError if it is wrong.

    master: master key and master salt, concatenated, of the server's direction.
    first_sequence: below 2¹⁵. clock_rate: of its RTP timestamps, which divides 48,000. timestamp_offset: added to media
    time in this clock, mod 2³².
    fd_index: which of the engine's sockets it is sent from; source: the local address, or None. stream: the TCP stream that
    it is sent on instead (`rtcserver.broadcast.streams`); 0 for none.
    kind: which of the room's payloads it gets, a ``PAYLOAD_`` of this module. capture_id: id of the header extension that
    says when its sound was captured (`rtcserver.broadcast.capture_time`); 0 for none.
    """

    listener_id: int
    room: str
    destination: Address | None
    profile: SrtpProfile
    master: bytes = field(repr=False)
    ssrc: int
    payload_type: int
    first_sequence: int
    timestamp_offset: int
    cname: str
    source: str | None = None
    fd_index: int = 0
    kind: str = PAYLOAD_CODED
    stream: int = 0
    clock_rate: int = MEDIA_RATE
    capture_id: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.first_sequence < MAX_FIRST_SEQUENCE:
            raise ValueError(
                f"first_sequence is {self.first_sequence}: allowed is 0 to {MAX_FIRST_SEQUENCE - 1}"
            )
        if not 0 <= self.payload_type < 128:
            raise ValueError(f"payload_type is {self.payload_type}: allowed is 0 to 127")
        if not 0 <= self.capture_id <= MAX_ID:
            raise ValueError(f"capture_id is {self.capture_id}: allowed is 0 to {MAX_ID}")
        if self.clock_rate <= 0 or MEDIA_RATE % self.clock_rate:
            raise ValueError(f"clock_rate is {self.clock_rate}: it must divide {MEDIA_RATE}")
        for name in ("ssrc", "timestamp_offset"):
            value = getattr(self, name)
            if not 0 <= value < 1 << 32:
                raise ValueError(f"{name} is {value}: it must fit 32 bits")
        if len(self.master) != self.profile.key_length:
            raise ValueError(
                f"master is {len(self.master)} bytes: {self.profile} needs {self.profile.key_length}"
            )

    @property
    def clock_step(self) -> int:
        """Samples at 48 kHz in one unit of its RTP timestamps."""
        return MEDIA_RATE // self.clock_rate


@dataclass(frozen=True, slots=True)
class ListenerCounters:
    """One listener's totals since it was added. `octets` are octets of payload."""

    listener_id: int
    packets: int
    octets: int
    retransmits: int
    errors: int
    dropped: int


@dataclass(slots=True)
class Totals:
    """The engine's totals since it began, listeners that have left included.

    refused_nacks: sequence numbers asked for that were too old, never sent, or resent too often.
    oversized: packets that were longer than `MAX_PAYLOAD` and sent to nobody. repeats: second copies of packets, to
    listeners that get each twice. streams: TCP streams that are open. stream_overflows: the server's own packets that
    found no room on one. streams_stalled: streams that were closed as they took nothing.
    """

    listeners: int = 0
    packets: int = 0
    octets: int = 0
    retransmits: int = 0
    errors: int = 0
    dropped: int = 0
    refused_nacks: int = 0
    reports: int = 0
    report_errors: int = 0
    protect_failures: int = 0
    oversized: int = 0
    repeats: int = 0
    streams: int = 0
    stream_overflows: int = 0
    streams_stalled: int = 0

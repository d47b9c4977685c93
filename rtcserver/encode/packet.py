"""What travels from the instrument process to its readers, and its bytes on the feed socket.

A *feed* is one half of an ``AF_UNIX``/``SOCK_SEQPACKET`` pair: one record a message, never
blocking for the writer (a full socket drops the record and counts it). The supervisor keeps the
writing half alive across restarts of the instrument process, so a reader never reconnects.
`rtcserver.encode.feed` reads one.

Record, little-endian::

    0        1        2                4                8                16               24               32
    +--------+--------+----------------+----------------+----------------+----------------+----------------+---------
    | version| kind   | stream u16     | epoch u32      | media_time i64 | captured_ns i64| duration u32, 0| payload
    +--------+--------+----------------+----------------+----------------+----------------+----------------+---------

``stream`` numbers the encodings of a room's sound (`rtcserver.encode.encoding`): 0 is the room's own, and further codecs
and bitrates of the same sound have numbers of their own. A reader skips those that it was not written for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

FEED_VERSION = 1
KIND_CODED = 1
"""A packet of the room's codec (`rtcserver.encode.codec`)."""
KIND_PCM = 2
"""A Studio payload (`rtcserver.encode.pcm`); only on the feed while somebody has asked for it."""
KINDS = (KIND_CODED, KIND_PCM)
_HEADER = struct.Struct("<BBHIqqII")
HEADER_SIZE = _HEADER.size
MAX_RECORD = HEADER_SIZE + 4096


@dataclass(slots=True)
class EncodedPacket:
    """One packet on the room's timeline, encoded once and shared by all listeners, so that nobody changes it.

    Not frozen, as a frozen one takes three times as long to make.

    media_time: 48 kHz sample count of the first *captured* sample that it decodes to.
    duration: samples at 48 kHz.
    captured_ns: monotonic ns at which the captured block that completed this frame arrived.
    epoch: number of the capture run; it grows by one each time a device is (re)opened.
    payload: the codec's packet (for Opus: RFC 6716, section 3), or the Studio payload.
    kind: `KIND_CODED` or `KIND_PCM`. stream: which encoding, 0 for the room's own and for Studio.
    """

    media_time: int
    duration: int
    captured_ns: int
    epoch: int
    payload: bytes
    kind: int = KIND_CODED
    stream: int = 0

    def pack(self) -> bytes:
        """The feed record."""
        return (
            _HEADER.pack(
                FEED_VERSION,
                self.kind,
                self.stream,
                self.epoch,
                self.media_time,
                self.captured_ns,
                self.duration,
                0,
            )
            + self.payload
        )

    @classmethod
    def unpack(cls, record: bytes) -> EncodedPacket:
        """Parse a feed record. Raises `ValueError` if it is none of ours."""
        if not HEADER_SIZE < len(record) <= MAX_RECORD:
            raise ValueError(
                f"a feed record of {len(record)} bytes: allowed are {HEADER_SIZE + 1} to {MAX_RECORD}"
            )
        version, kind, stream, epoch, media_time, captured_ns, duration, _ = _HEADER.unpack_from(record)
        if version != FEED_VERSION or kind not in KINDS:
            raise ValueError(f"unknown feed record: version {version}, kind {kind}")
        return cls(media_time, duration, captured_ns, epoch, record[HEADER_SIZE:], kind, stream)

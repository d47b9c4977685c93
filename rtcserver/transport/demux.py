"""What a datagram is, by its first byte (RFC 7983, section 7; RFC 5761, section 4 for RTCP).

::

      first byte          0..3   STUN
                          4..15  nothing (16..19 is ZRTP, which is not spoken here)
                         20..63  DTLS
                         64..127 TURN channels and nothing: dropped
                        128..191 RTP, or RTCP if the second byte is 192..223
                        192..255 nothing
"""

from __future__ import annotations

from enum import IntEnum


class DatagramKind(IntEnum):
    """The protocols that share the port. `UNKNOWN` covers empty datagrams too."""

    UNKNOWN = 0
    STUN = 1
    DTLS = 2
    RTP = 3
    RTCP = 4


_BY_FIRST = (
    [DatagramKind.STUN] * 4
    + [DatagramKind.UNKNOWN] * 16
    + [DatagramKind.DTLS] * 44
    + [DatagramKind.UNKNOWN] * 64
    + [DatagramKind.RTP] * 64
    + [DatagramKind.UNKNOWN] * 64
)


def classify(data: bytes) -> DatagramKind:
    """The protocol of a datagram. Never raises; says nothing about whether the rest is well-formed."""
    if not data:
        return DatagramKind.UNKNOWN
    kind = _BY_FIRST[data[0]]
    if kind is DatagramKind.RTP:
        if len(data) < 2:
            return DatagramKind.UNKNOWN
        # With the marker bit, RTP payload types 64..95 would look the same: they are not negotiated
        # on a connection that multiplexes RTCP (RFC 5761, section 4).
        if 192 <= data[1] <= 223:
            return DatagramKind.RTCP
    return kind

"""Packets on a TCP stream: two bytes of length before each (RFC 4571, section 2; RFC 6544, section 3). Pure.

::

     0                   1                   2
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 …
    +---------------------------------+---------------
    |    length, most significant 8   |  STUN, DTLS, RTP or RTCP
    +---------------------------------+---------------

No packet here is longer than `MAX_FRAME`, so the first byte of a stream is 0 to 5. TLS begins with 22 and a request line
of HTTP with a letter: one TCP port can serve all three (`is_framed`).
"""

from __future__ import annotations

import struct

MAX_FRAME = 1500
"""Bytes. A longer packet ends its stream: nothing that is spoken here exceeds an Ethernet frame."""
LENGTH_BYTES = 2

_LENGTH = struct.Struct("!H")


def framed(packet: bytes) -> bytes:
    """A packet as it stands on the stream. Raises ValueError if it is longer than `MAX_FRAME`."""
    if len(packet) > MAX_FRAME:
        raise ValueError(f"a packet of {len(packet)} bytes: {MAX_FRAME} are allowed")
    return _LENGTH.pack(len(packet)) + packet


def is_framed(data: bytes) -> bool:
    """Whether a connection that begins with `data` speaks frames, and neither HTTP nor TLS."""
    return bool(data) and data[0] <= MAX_FRAME >> 8


class Deframer:
    """Cuts one stream into packets. It holds less than one packet between two calls.

    broken: whether a packet was longer than `MAX_FRAME`; where the next one begins is not known then.
    """

    __slots__ = ("_held", "broken")

    def __init__(self) -> None:
        self._held = b""
        self.broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are complete now; b"" is a null packet (RFC 4571, section 2). None once it is broken."""
        if self.broken:
            return []
        data = self._held + data
        packets = []
        at, end = 0, len(data)
        while end - at >= LENGTH_BYTES:
            size = data[at] << 8 | data[at + 1]
            if size > MAX_FRAME:
                self.broken = True
                at = end
                break
            if end - at - LENGTH_BYTES < size:
                break
            at += LENGTH_BYTES
            packets.append(data[at : at + size])
            at += size
        self._held = data[at:]
        return packets

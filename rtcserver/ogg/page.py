"""Ogg pages (RFC 3533, section 6). Pure.

::

    0        4    5    6                14       18       22       26   27
    +--------+----+----+----------------+--------+--------+--------+----+----------------+---------
    | OggS   | 0  |flag| granule i64    | serial | number | CRC    | n  | n lacing values| packets
    +--------+----+----+----------------+--------+--------+--------+----+----------------+---------

All numbers are little-endian. Each packet here ends on the page that it begins on.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

BEGINS = 0x02
"""Flag of the first page of a logical stream."""
ENDS = 0x04
"""Flag of its last page."""
MAX_SEGMENTS = 255
"""Lacing values that a page has room for."""

_HEADER = struct.Struct("<4sBBqIII")
_CRC_AT = 22
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def segments_of(packet: bytes) -> int:
    """Lacing values that a packet takes: a full 255 for each 255 bytes, and one below it that ends the packet."""
    return len(packet) // 255 + 1


def page(serial: int, number: int, granule: int, packets: Sequence[bytes], flags: int = 0) -> bytes:
    """One page of whole packets.

    serial: of the logical stream, 32 bits. number: of the page within it, 32 bits. granule: position at which the last
    packet ends. Raises ValueError for packets that have no room on one page.
    """
    lacing = bytearray()
    for packet in packets:
        full, rest = divmod(len(packet), 255)
        lacing += b"\xff" * full
        lacing.append(rest)
    if len(lacing) > MAX_SEGMENTS:
        raise ValueError(f"{len(packets)} packets take {len(lacing)} segments: a page has {MAX_SEGMENTS}")
    head = _HEADER.pack(b"OggS", 0, flags, granule, serial, number & 0xFFFFFFFF, 0)
    whole = bytearray(b"".join((head, bytes((len(lacing),)), lacing, *packets)))
    whole[_CRC_AT : _CRC_AT + 4] = struct.pack("<I", crc(whole))
    return bytes(whole)


def crc(data: bytes | bytearray) -> int:
    """The checksum of a page whose checksum is zero: polynomial 0x04C11DB7, most significant bit first, from 0.

    zlib's has the same polynomial with all bits mirrored, and inverts at both ends.
    """
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")

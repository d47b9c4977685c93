"""Pages and links read again, by code that shares nothing with what wrote them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field


@dataclass
class Page:
    flags: int
    granule: int
    serial: int
    number: int
    packets: list[bytes] = field(default_factory=list)


def checksum(data: bytes) -> int:
    """Bit by bit, as RFC 3533 describes it."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
            register &= 0xFFFFFFFF
    return register


def read(data: bytes) -> list[Page]:
    """All pages of `data`, which has nothing else; their checksums are right."""
    pages = []
    while data:
        assert data[:5] == b"OggS\0"
        flags, granule, serial, number, crc, segments = struct.unpack_from("<BqIIIB", data, 5)
        lacing = data[27 : 27 + segments]
        size = 27 + segments + sum(lacing)
        assert checksum(data[:22] + bytes(4) + data[26:size]) == crc
        page, at, begin = Page(flags, granule, serial, number), 27 + segments, 27 + segments
        for value in lacing:
            at += value
            if value < 255:
                page.packets.append(data[begin:at])
                begin = at
        assert begin == size, "a packet goes on behind the page"
        pages.append(page)
        data = data[size:]
    return pages


def comments(packet: bytes) -> dict[str, str]:
    """What an OpusTags packet says; the vendor as ``VENDOR``."""
    assert packet[:8] == b"OpusTags"
    at, texts = 8, []
    (length,) = struct.unpack_from("<I", packet, at)
    texts.append("VENDOR=" + packet[at + 4 : at + 4 + length].decode())
    at += 4 + length
    (count,) = struct.unpack_from("<I", packet, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<I", packet, at)
        texts.append(packet[at + 4 : at + 4 + length].decode())
        at += 4 + length
    assert at == len(packet)
    return dict(text.split("=", 1) for text in texts)

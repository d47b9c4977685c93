"""A reader of RED payloads (RFC 2198), as a receiver has one."""

from __future__ import annotations


def unpack(payload: bytes, timestamp: int) -> list[tuple[int, int, bytes]]:
    """``(payload type, timestamp, frame)`` of all frames in a payload, oldest first. Raises ValueError for what is none.

    timestamp: the RTP packet's, mod 2³².
    """
    at = 0
    blocks: list[tuple[int, int, int]] = []
    while at < len(payload) and payload[at] & 0x80:
        if at + 4 > len(payload):
            raise ValueError("a redundant payload ends within a header")
        word = int.from_bytes(payload[at : at + 4])
        blocks.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
        at += 4
    if at >= len(payload):
        raise ValueError("a redundant payload has no newest frame")
    newest_type = payload[at]
    at += 1
    found = []
    for payload_type, offset, length in blocks:
        if at + length > len(payload):
            raise ValueError("a redundant payload is shorter than its headers say")
        found.append((payload_type, (timestamp - offset) & 0xFFFF_FFFF, payload[at : at + length]))
        at += length
    return [*found, (newest_type, timestamp, payload[at:])]

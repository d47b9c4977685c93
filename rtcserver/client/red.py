"""What a receiver takes out of packets: the frames of RED (RFC 2198), and how long an Opus frame is (RFC 6716). Pure."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BLOCKS = 8
"""Earlier frames that are taken out of one packet."""
_CELT_SAMPLES = (120, 240, 480, 960)
_SILK_SAMPLES = (480, 960, 1920, 2880)
_MOST_SAMPLES = 5760


@dataclass(frozen=True, slots=True)
class Block:
    """One frame of a packet. timestamp: RTP, 32 bits."""

    payload_type: int
    timestamp: int
    frame: bytes


def split_red(payload: bytes, timestamp: int) -> list[Block]:
    """The frames of a RED payload, the newest first. timestamp: the packet's.

    Section 3: headers of four bytes for the earlier frames, oldest first, with type, offset and length, then one byte for
    the newest frame, then the frames. Raises ValueError for what is none, and for more than `MAX_BLOCKS` earlier frames.
    """
    headers: list[tuple[int, int, int]] = []
    at = 0
    while payload[at : at + 1] and payload[at] & 0x80:
        if len(headers) == MAX_BLOCKS or at + 4 > len(payload):
            raise ValueError(f"a redundant payload with {len(headers)} headers ends within one, or has more")
        word = int.from_bytes(payload[at : at + 4])
        headers.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
        at += 4
    if at >= len(payload):
        raise ValueError("a redundant payload has no newest frame")
    newest_type = payload[at]
    at += 1
    if at + sum(length for _, _, length in headers) > len(payload):
        raise ValueError(f"a redundant payload of {len(payload)} bytes is shorter than its headers say")
    blocks = []
    for payload_type, offset, length in headers:
        blocks.append(Block(payload_type, (timestamp - offset) & 0xFFFF_FFFF, payload[at : at + length]))
        at += length
    return [Block(newest_type, timestamp, payload[at:]), *reversed(blocks)]


def opus_samples(packet: bytes) -> int:
    """Duration of an Opus packet at 48 kHz, from its first bytes (RFC 6716, sections 3.1 and 3.2); 0 for what is none."""
    if not packet:
        return 0
    mode, code = packet[0] >> 3, packet[0] & 3
    if mode < 12:
        frame = _SILK_SAMPLES[mode & 3]
    elif mode < 16:
        frame = _CELT_SAMPLES[2 + (mode & 1)]
    else:
        frame = _CELT_SAMPLES[mode & 3]
    # In code 3 the second byte has the number of frames (section 3.2.5).
    counted = packet[1] & 0x3F if len(packet) > 1 else 0
    count = (1, 2, 2, counted)[code]
    return frame * count if frame * count <= _MOST_SAMPLES else 0

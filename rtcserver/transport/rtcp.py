"""RTCP that listeners send, parsed tolerantly (RFC 3550, section 6; RFC 4585, section 6.2.1).

Pure. Reports, generic NACK and BYE come out; SDES, APP, XR, REMB, PLI and the rest are skipped by
their length. A compound packet whose lengths do not add up raises `RtcpError` as a whole, since
it was authenticated and is then simply wrong. Reduced-size RTCP (RFC 5506) is accepted.

Common header::

    |V=2|P|  count  |      type     |     length in 32-bit words - 1|
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

SR, RR, BYE, RTPFB = 200, 201, 203, 205
NACK_FORMAT = 1
MAX_NACKED = 512
"""Sequence numbers taken from one datagram. A listener that lost more needs no retransmission but time."""
MAX_PACKETS = 16
"""Packets of one compound packet. A browser's has a report, its CNAME, and feedback of two or three kinds."""

_HEAD = struct.Struct("!BBH")
_U32 = struct.Struct("!I")
_BLOCK = struct.Struct("!IIIIII")
_PAIR = struct.Struct("!HH")


class RtcpError(ValueError):
    """The bytes are no RTCP compound packet."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one stream (RFC 3550, section 6.4.1).

    fraction_lost: of 256, since the last report. lost: cumulative, signed (duplicates make it negative).
    highest_sequence: extended, 32 bits. jitter: in units of the RTP clock.
    last_sr: middle 32 bits of the last sender report's NTP time. delay_since_sr: in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_sr: int


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """A receiver report, or the reception part of a sender report."""

    sender_ssrc: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """A request to resend (RFC 4585, section 6.2.1). `sequences` in the order asked for, each mod 2¹⁶."""

    sender_ssrc: int
    media_ssrc: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """The sources that leave (RFC 3550, section 6.6)."""

    ssrcs: tuple[int, ...]


RtcpPacket = ReceptionReport | Nack | Bye


def parse_compound(data: bytes, most: int = MAX_NACKED) -> list[RtcpPacket]:
    """The packets of one (decrypted) datagram that matter to a sender. Raises `RtcpError` only.

    most: sequence numbers that are taken from it; with 0 its NACKs are empty, and cost nothing.
    """
    if len(data) < 8 or len(data) & 3:
        raise RtcpError("length is no multiple of four of at least eight bytes")
    out: list[RtcpPacket] = []
    at = packets = nacked = 0
    while at < len(data):
        packets += 1
        if packets > MAX_PACKETS:
            raise RtcpError(f"more than {MAX_PACKETS} packets in a datagram")
        first, kind, words = _HEAD.unpack_from(data, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2:
            raise RtcpError("version is not 2")
        if end > len(data):
            raise RtcpError("packet longer than the datagram")
        body_end = end
        if first & 0x20:
            padding = data[end - 1]
            if padding == 0 or padding & 3 or padding > end - at - 4:
                raise RtcpError("padding does not fit")
            body_end = end - padding
        body = data[at + 4 : body_end]
        count = first & 0x1F
        if kind == RR:
            out.append(_report(body, count, 4))
        elif kind == SR:
            out.append(_report(body, count, 24))
        elif kind == RTPFB and count == NACK_FORMAT:
            nack = _nack(body, most - nacked)
            nacked += len(nack.sequences)
            out.append(nack)
        elif kind == BYE:
            if len(body) < 4 * count:
                raise RtcpError("BYE shorter than its count")
            out.append(Bye(struct.unpack_from(f"!{count}I", body)))
        at = end
    return out


def _report(body: bytes, count: int, blocks_at: int) -> ReceptionReport:
    if len(body) < blocks_at + 24 * count:
        raise RtcpError("report shorter than its count")
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, blocks_at + 24 * index)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return ReceptionReport(_U32.unpack_from(body)[0], tuple(blocks))


def _nack(body: bytes, most: int) -> Nack:
    """A NACK, with the first `most` of the numbers that it asks for."""
    if len(body) < 12:
        raise RtcpError("NACK without an entry")
    sequences: list[int] = []
    for at in range(8, len(body) - 3, 4):
        if len(sequences) >= most:
            break
        first, mask = _PAIR.unpack_from(body, at)
        sequences.append(first)
        while mask:
            low = mask & -mask
            sequences.append((first + low.bit_length()) & 0xFFFF)
            mask ^= low
    return Nack(_U32.unpack_from(body)[0], _U32.unpack_from(body, 4)[0], tuple(sequences[:most]))

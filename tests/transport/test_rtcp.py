"""RTCP of listeners: reports, NACK and BYE come out, the rest is skipped, nonsense raises its own error."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc import rtp
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.transport.rtcp import (
    MAX_NACKED,
    MAX_PACKETS,
    Bye,
    Nack,
    ReceptionReport,
    ReportBlock,
    RtcpError,
    parse_compound,
)

BLOCK = rtp.RtcpReceiverInfo(
    ssrc=7, fraction_lost=64, packets_lost=1234, highest_sequence=70000, jitter=20, lsr=99, dlsr=65536
)


def test_a_receiver_report_written_by_aiortc() -> None:
    data = bytes(rtp.RtcpRrPacket(ssrc=5, reports=[BLOCK]))
    assert parse_compound(data) == [ReceptionReport(5, (ReportBlock(7, 64, 1234, 70000, 20, 99, 65536),))]


def test_negative_loss() -> None:
    data = struct.pack("!BBHI", 0x81, 201, 7, 5) + struct.pack("!IIIIII", 7, 0x00FFFFFE, 0, 0, 0, 0)
    (report,) = parse_compound(data)
    assert isinstance(report, ReceptionReport)
    assert report.blocks[0].lost == -2


def test_a_compound_with_everything() -> None:
    sender = rtp.RtcpSenderInfo(ntp_timestamp=1, rtp_timestamp=2, packet_count=3, octet_count=4)
    data = b"".join(
        bytes(packet)
        for packet in (
            rtp.RtcpSrPacket(ssrc=5, sender_info=sender, reports=[BLOCK]),
            rtp.RtcpSdesPacket(chunks=[rtp.RtcpSourceInfo(ssrc=5, items=[(1, b"cname")])]),
            rtp.RtcpRtpfbPacket(fmt=1, ssrc=5, media_ssrc=7, lost=[10, 11, 26, 27]),
            rtp.RtcpPsfbPacket(fmt=15, ssrc=5, media_ssrc=0, fci=b"REMB\x00\x00\x00\x00"),
            rtp.RtcpByePacket(sources=[5]),
        )
    )
    report, nack, bye = parse_compound(data)
    assert isinstance(report, ReceptionReport)
    assert report.blocks[0].highest_sequence == 70000
    assert nack == Nack(5, 7, (10, 11, 26, 27))
    assert bye == Bye((5,))


def test_nack_wraps_and_is_bounded() -> None:
    entry = struct.pack("!HH", 65530, 0xFFFF)
    (nack,) = parse_compound(struct.pack("!BBHII", 0x81, 205, 3, 1, 2) + entry)
    assert isinstance(nack, Nack)
    assert nack.sequences == tuple((65530 + i) & 0xFFFF for i in range(17))
    many = struct.pack("!BBHII", 0x81, 205, 2 + 100, 1, 2) + entry * 100
    (nack,) = parse_compound(many)
    assert isinstance(nack, Nack)
    assert len(nack.sequences) == MAX_NACKED


def test_padding_is_taken_off() -> None:
    data = struct.pack("!BBHI", 0xA0, 201, 2, 5) + b"\x00\x00\x00\x04"
    assert parse_compound(data) == [ReceptionReport(5, ())]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc9\x00\x01\x00\x00\x00",
        struct.pack("!BBHI", 0x40, 201, 1, 5),
        struct.pack("!BBHI", 0x80, 201, 2, 5),
        struct.pack("!BBHI", 0x81, 201, 1, 5),
        struct.pack("!BBHI", 0x80, 200, 1, 5),
        struct.pack("!BBHI", 0x82, 203, 1, 5),
        struct.pack("!BBHII", 0x81, 205, 2, 5, 5),
        struct.pack("!BBHI", 0xA0, 201, 1, 0),
        struct.pack("!BBHI", 0xA0, 201, 1, 8),
        struct.pack("!BBHI", 0x80, 201, 0, 5),
    ],
)
def test_wrong_lengths_raise(data: bytes) -> None:
    with pytest.raises(RtcpError):
        parse_compound(data)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_only_rtcp_errors(data: bytes) -> None:
    with contextlib.suppress(RtcpError):
        parse_compound(data)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]),
            st.integers(0, 63),
            st.binary(max_size=64).map(lambda b: b + bytes(-len(b) % 4)),
        ),
        max_size=5,
    )
)
def test_framed_nonsense_raises_only_rtcp_errors(packets: list[tuple[int, int, bytes]]) -> None:
    data = b"".join(
        struct.pack("!BBH", 0x80 | low, kind, len(body) // 4) + body for kind, low, body in packets
    )
    with contextlib.suppress(RtcpError):
        parse_compound(data)


def test_what_one_datagram_asks_for_is_bounded_however_it_is_packed() -> None:
    entries = struct.pack("!HH", 1000, 0xFFFF) * 20
    one = struct.pack("!BBHII", 0x81, 205, 2 + 20, 1, 2) + entries
    packets = parse_compound(one * 4)
    nacks = [packet for packet in packets if isinstance(packet, Nack)]
    assert [len(nack.sequences) for nack in nacks] == [340, MAX_NACKED - 340, 0, 0]
    assert {nack.sequences for nack in parse_compound(one * 4, 0) if isinstance(nack, Nack)} == {()}
    report = struct.pack("!BBHI", 0x80, 201, 1, 1)
    assert len(parse_compound(report * MAX_PACKETS)) == MAX_PACKETS
    with pytest.raises(RtcpError, match="more than"):
        parse_compound(report * (MAX_PACKETS + 1))

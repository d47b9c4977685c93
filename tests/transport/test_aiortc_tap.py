"""The parts of aiortc that the tap stands on; its counting is tested in ``tests/client``."""

from __future__ import annotations

import inspect

import pytest
from aiortc import RTCDtlsTransport, RTCIceTransport, RTCPeerConnection
from aiortc.rtp import RTP_HEADER_LENGTH, RtpPacket, is_rtcp

from rtcserver.transport import aiortc_tap
from rtcserver.transport.aiortc_tap import ReceiverTap


async def test_the_wrapped_coroutines_have_the_shape_that_is_assumed() -> None:
    peer = RTCPeerConnection()
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    receive = receiver.transport.transport._recv
    assert inspect.iscoroutinefunction(receive)
    assert not inspect.signature(receive).parameters
    assert inspect.iscoroutinefunction(receiver._handle_rtp_packet)
    assert list(inspect.signature(receiver._handle_rtp_packet).parameters) == ["packet", "arrival_time_ms"]
    await peer.close()


def test_aiortc_looks_both_up_on_the_objects_at_each_datagram() -> None:
    """A reference taken once, before the tap is there, would bypass it."""
    assert "self.transport._recv()" in inspect.getsource(RTCDtlsTransport._recv_next)
    assert "receiver._handle_rtp_packet(packet, arrival_time_ms=" in inspect.getsource(
        RTCDtlsTransport._handle_rtp_data
    )


async def test_the_tap_reaches_both_objects_through_public_attributes() -> None:
    peer = RTCPeerConnection()
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    ReceiverTap(receiver, lambda packet: None)
    assert isinstance(receiver.transport, RTCDtlsTransport)
    assert isinstance(receiver.transport.transport, RTCIceTransport)
    assert "_recv" in vars(receiver.transport.transport)
    assert "_handle_rtp_packet" in vars(receiver)
    await peer.close()


def test_a_parsed_packet_has_its_payload() -> None:
    sent = RtpPacket(payload_type=111, sequence_number=1, timestamp=2, ssrc=3)
    sent.payload = b"samples"
    assert RtpPacket.parse(sent.serialize()).payload == b"samples"


def test_headers_are_read_as_aiortc_reads_them() -> None:
    packet = RtpPacket(
        payload_type=111, marker=1, sequence_number=65_535, timestamp=2**32 - 1, ssrc=0xDEADBEEF
    )
    packet.payload = b"opus"
    data = packet.serialize()
    header = aiortc_tap._header(data, 5)
    assert header is not None
    assert (header.arrival_ns, header.ssrc, header.payload_type) == (5, 0xDEADBEEF, 111)
    assert (header.sequence, header.timestamp, header.size) == (65_535, 2**32 - 1, RTP_HEADER_LENGTH + 4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x6f" + bytes(9),
        b"\x00\x01" + bytes(30),
        b"\x16\xfe" + bytes(30),
        *(bytes([0x80, kind]) + bytes(30) for kind in (200, 201, 203, 205, 206)),
    ],
)
def test_what_is_no_rtp_has_no_header(data: bytes) -> None:
    assert aiortc_tap._header(data, 0) is None
    assert len(data) < 12 or data[0] < 128 or is_rtcp(data)

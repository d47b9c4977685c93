"""The parts of aiortc that the tap stands on; its counting is tested in ``tests/client``."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from aiortc import RTCDtlsTransport, RTCIceTransport, RTCPeerConnection
from aiortc.rtp import RTP_HEADER_LENGTH, RtpPacket, is_rtcp

from rtcserver.transport import aiortc_tap
from rtcserver.transport.aiortc_tap import Coded, ReceiverTap, Taken


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


async def test_what_is_used_beside_the_statistics_is_there() -> None:
    """The parts that a frame of a later packet goes through, and how aiortc uses them itself."""
    peer = RTCPeerConnection()
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    for name in ("codecs", "decoder_thread", "decoder_queue", "jitter_buffer", "timestamp_mapper"):
        assert f"_RTCRtpReceiver__{name}" in vars(receiver)
    source = inspect.getsource(type(receiver)._handle_rtp_packet)
    assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
    assert "self.__decoder_queue.put((codec, encoded_frame))" in source
    assert source.index("__remote_streams[packet.ssrc].add(packet)") < source.index(
        "__jitter_buffer.add(packet)"
    )
    assert list(inspect.signature(receiver._send_rtcp_nack).parameters) == ["media_ssrc", "lost"]
    assert isinstance(receiver.transport._rtp_router.payload_type_table, dict)
    await peer.close()


async def test_a_packet_is_replaced_by_its_frame_and_earlier_ones_go_first() -> None:
    """Without a decoder: what reaches aiortc's receiver, what its jitter buffer holds, and what is asked for."""
    peer = RTCPeerConnection()
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    handled, added, asked = [], [], []

    async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:
        handled.append((packet.payload_type, packet.payload))

    class Buffer:
        def add(self, packet: Any) -> tuple[bool, None]:
            added.append((packet.sequence_number, packet.timestamp, packet._data))
            return False, None

    async def nack(media_ssrc: int, lost: list[int]) -> None:
        asked.append((media_ssrc, lost))

    inside: Any = receiver
    inside._handle_rtp_packet = handle
    inside._send_rtcp_nack = nack
    inside._RTCRtpReceiver__jitter_buffer = Buffer()
    inside._RTCRtpReceiver__codecs = {96: "opus"}
    inside._RTCRtpReceiver__decoder_thread = "there"
    frames = [Coded(96, 7, 960, b"own"), Coded(96, 6, 480, b"earlier"), Coded(96, 5, 0, b"oldest")]
    tap = ReceiverTap(receiver, lambda packet: None, lambda packet, payload: Taken(frames, [3, 4]))
    tap.admit(63)
    assert receiver in receiver.transport._rtp_router.payload_type_table[63]
    sent = RtpPacket(payload_type=63, sequence_number=7, timestamp=960, ssrc=3)
    sent.payload = b"all three"
    tap._pending = aiortc_tap._header(sent.serialize(), 5)
    await inside._handle_rtp_packet(sent, arrival_time_ms=0)
    assert handled == [(96, b"own")]
    assert added == [(5, 0, b"oldest"), (6, 480, b"earlier")]
    assert asked == [(3, [3, 4])]
    await peer.close()


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

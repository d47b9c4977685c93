"""Datagrams: STUN, RTCP, SCTP and what tells them apart."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from aiortc import rtcsctptransport as sctp

from rtcserver.clock import NS
from rtcserver.encode.encoding import encodings_of
from rtcserver.load.sctp import DataChannelClient
from rtcserver.peer.duplication import Duplication
from rtcserver.peer.feedback import Feedback
from rtcserver.peer.reception import ReceptionJudge
from rtcserver.peer.redundancy import MAX_LEVEL, Redundancy
from rtcserver.transport import demux, stun
from rtcserver.transport.aiortc_tap import _header
from rtcserver.transport.framing import LENGTH_BYTES, MAX_FRAME, Deframer, framed, is_framed
from rtcserver.transport.rtcp import Nack, ReceptionReport, RtcpError, parse_compound
from rtcserver.transport.sctp_guard import SctpError, check_packet
from tests.fuzz.target import joined, pieces, target
from tests.transport.hostile import CHUNKS, HELLO, RECORD, RTCP, RTP
from tests.transport.raw import seal

KEY = b"k" * 24
TID = bytes(range(12))


def _stun() -> Iterator[bytes]:
    check = stun.build_request(TID, b"server:raw", KEY, use_candidate=True)
    messages = [
        check,
        stun.build_request(TID, b"server:raw", KEY, controlling=False),
        stun.build_success(TID, ("127.0.0.1", 4000), KEY),
        stun.build_success(TID, ("2001:db8::1", 4000), KEY),
        stun.build_error(TID, 420, "unknown", KEY, (0x7777, 0x7778)),
    ]
    for message in messages:
        yield b"\0" + message
        yield b"\1" + message[:-8]


@target("stun", stun.StunError, good=_stun, max_bytes=1300)
def parse_stun(data: bytes) -> None:
    """The first byte says whether length and FINGERPRINT are made right, so that what lies behind them is reached."""
    message = data[1:]
    if data[:1] == b"\1" and len(message) >= 8:
        body = message[20:] + bytes(-len(message[20:]) % 4)
        head = (
            message[:2] + (len(body) + 8).to_bytes(3)[1:] + stun.COOKIE.to_bytes(4) + message[8:20].ljust(12)
        )
        message = head + body
        message += struct.pack("!HHI", stun.FINGERPRINT, 4, stun.crc32(message) ^ 0x5354554E)
    parsed = stun.parse(message)
    assert not stun.verify(message, parsed, b"another key") or parsed.integrity_at
    unsealed = stun.unseal(message)
    if unsealed is not None and parsed.integrity_at == len(message) - stun.SEAL_BYTES:
        assert stun.verify(message, parsed, KEY) == (
            stun.hmac.digest(KEY, unsealed[0], "sha1") == unsealed[1]
        )


@target("demux", good=lambda: (HELLO, RECORD, RTP, RTCP, b"", b"\x80"), max_bytes=64)
def tell_apart(data: bytes) -> None:
    kind = demux.classify(data)
    assert (kind is demux.DatagramKind.RTCP) == (
        len(data) > 1 and 128 <= data[0] < 192 and 192 <= data[1] < 224
    )
    tapped = _header(data, 0)
    assert tapped is None or kind is demux.DatagramKind.RTP


def _streams() -> Iterator[bytes]:
    for packet in (HELLO, RTP, RTCP, b"", bytes(MAX_FRAME)):
        yield b"\x07" + framed(packet) + framed(RECORD)
    yield b"\x01" + (MAX_FRAME + 1).to_bytes(2) + framed(RTP)


@target("framing", good=_streams, max_bytes=3200)
def cut_streams(data: bytes) -> None:
    """The first byte says in which pieces the stream comes: the packets are the same in all of them."""
    size, stream = data[:1][0] + 1 if data else 1, data[1:]
    whole, parts = Deframer(), Deframer()
    packets = whole.feed(stream)
    found = [packet for at in range(0, len(stream), size) for packet in parts.feed(stream[at : at + size])]
    assert found == packets
    assert parts.broken == whole.broken
    assert all(len(packet) <= MAX_FRAME for packet in packets)
    head = b"".join(map(framed, packets))
    assert stream.startswith(head)
    assert whole.broken or len(stream) - len(head) < LENGTH_BYTES + MAX_FRAME
    if packets:
        assert is_framed(stream)


def _rtcp() -> Iterator[bytes]:
    block = struct.pack("!IIIIII", 1, 0x01000002, 70000, 100, 5, 6)
    yield struct.pack("!BBHI", 0x80, 201, 1, 7)
    yield struct.pack("!BBHI", 0x81, 201, 7, 7) + block
    yield struct.pack("!BBHI", 0x81, 200, 12, 7) + bytes(20) + block
    yield struct.pack("!BBHII", 0x81, 205, 3, 7, 8) + struct.pack("!HH", 5, 0xFFFF)
    yield struct.pack("!BBHI", 0x81, 203, 1, 7) + struct.pack("!BBHI", 0xA0, 202, 1, 4)


@target("rtcp", RtcpError, good=_rtcp, max_bytes=1500)
def parse_rtcp(data: bytes) -> None:
    feedback = Feedback(100, Counter(), Counter(), {})
    lossy = [Feedback(100, Counter(), Counter(), {}) for _ in range(2)]
    lossy[0].redundancy, lossy[1].duplication = Redundancy(111, 63), Duplication()
    tiered = Feedback(100, Counter(), Counter(), {})
    tiered.redundancy, encodings = Redundancy(111, 63), encodings_of(160_000, 480)
    tiered.offer_tiers(encodings, "opus", 0)
    for one in (feedback, tiered, *lossy):
        one.packets_per_s = 100.0
    for number, packet in enumerate(parse_compound(data), 1):
        if isinstance(packet, ReceptionReport):
            judge = ReceptionJudge(100)
            for block in packet.blocks:
                judge.judge(block, 70_000, 10, 0x12345678)
            assert judge.reports == len(packet.blocks)
            for one in (feedback, tiered, *lossy):
                one.reports(packet.blocks, number * NS, 0x1234 << 48)
            assert 0 <= lossy[0].redundancy.level <= MAX_LEVEL
            assert tiered.decide("opus", number * NS) in encodings
            assert 0 <= tiered.redundancy.carried <= MAX_LEVEL
        elif isinstance(packet, Nack):
            kept = feedback.nack(packet.sequences, None, number * NS)
            assert set(kept) <= set(packet.sequences)
            earlier = lossy[0].redundancy.level > 0
            assert lossy[0].nack(packet.sequences, None, number * NS) == (() if earlier else kept)
            assert lossy[1].nack(packet.sequences, None, number * NS) == kept
            assert not (kept and lossy[1].copied)


@target("sctp-guard", SctpError, good=lambda: CHUNKS.values(), max_bytes=1488)
def guard_sctp(data: bytes) -> None:
    """What the guard lets through, aiortc's own parser must take without surprise."""
    packet = seal(1, data)
    check_packet(packet)
    for chunk in sctp.parse_packet(packet)[3]:
        assert len(bytes(chunk)) >= 4


def _answers() -> Iterator[bytes]:
    ack = CHUNKS["init-ack"][:20] + struct.pack("!HH", 7, 8) + b"abcd"
    ack = ack[:2] + len(ack).to_bytes(2) + ack[4:]
    opened = bytes.fromhex("00030011") + struct.pack("!IHHI", 9, 0, 0, 50) + b"\2\0\0\0"
    yield joined(
        [ack, CHUNKS["cookie-ack"], opened, CHUNKS["sack"], CHUNKS["heartbeat"], CHUNKS["forward-tsn"]]
    )
    yield joined(CHUNKS.values())


@target("load-sctp", good=_answers)
def take_answers(data: bytes) -> None:
    """What a server says to the load generator's listener."""
    client = DataChannelClient(77, 1000, say="hello" if len(data) & 1 else "")
    for chunks in pieces(data):
        for answer in client.receive(seal(77, chunks)):
            assert len(answer) >= 16

"""The rules that keep SRTP safe, each against libsrtp's own inbound side."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable

import pylibsrtp
import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSrPacket

from rtcserver.broadcast.engine import RESEND_BURST, BroadcastEngine
from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.broadcast.srtp import MAX_FIRST_SEQUENCE
from rtcserver.broadcast.turns import REPORT_INTERVAL_NS
from rtcserver.clock import NS, ntp_from_wall, samples_to_ns
from rtcserver.transport.address import Address
from tests.broadcast.listening import CM, FRAME, GCM, Listening, is_rtcp, media, parse_rtp

Make = Callable[..., Listening]
PROFILES = pytest.mark.parametrize("profile", [GCM, CM])


@pytest.fixture
def engine(media_socket: socket.socket) -> BroadcastEngine:
    return BroadcastEngine([media_socket])


# Rule 1: one writer, and no key twice


def test_a_key_is_never_used_twice(engine: BroadcastEngine, listening: Make) -> None:
    ear = listening(1)
    engine.add(ear.spec)
    engine.remove(1)
    again = listening(2).change(master=ear.spec.master).spec
    with pytest.raises(ValueError, match="master key"):
        engine.add(again)


# Rule 2: sequence numbers start below 2¹⁵


@pytest.mark.parametrize("sequence", [MAX_FIRST_SEQUENCE, 65535, -1])
def test_a_first_sequence_near_the_wrap_is_refused(listening: Make, sequence: int) -> None:
    with pytest.raises(ValueError, match="first_sequence"):
        listening(1, first_sequence=sequence)


@PROFILES
def test_a_late_joiner_authenticates_although_its_first_packets_are_lost(
    engine: BroadcastEngine, listening: Make, profile: object
) -> None:
    # The highest start there is, and as many losses as a slow handshake may cost.
    ear = listening(1, profile=profile, first_sequence=MAX_FIRST_SEQUENCE - 1)
    engine.add(ear.spec)
    for n in range(400):
        engine.send("main", media(n, size=20))
        ear.drain()
    for n in range(400, 420):
        engine.send("main", media(n, size=20))
    assert [packet.payload for packet in ear.rtp()] == [media(n, size=20).payload for n in range(400, 420)]


@PROFILES
def test_more_than_65536_packets_keep_authenticating(
    engine: BroadcastEngine, listening: Make, profile: object
) -> None:
    ears = [
        listening(n, profile=profile, first_sequence=first, payload_type=111 + n)
        for n, first in enumerate((MAX_FIRST_SEQUENCE - 1, 0, 20_000))
    ]
    for ear in ears:
        engine.add(ear.spec)
    total, last = 65_536 + 3_000, [0, 0, 0]
    for n in range(total):
        engine.send("main", media(n, size=8))
        if n % 64 == 63 or n == total - 1:
            for index, ear in enumerate(ears):
                got = ear.rtp()
                first = ear.spec.first_sequence
                expected = range(last[index], n + 1)
                assert [packet.sequence for packet in got] == [(first + k) % 65_536 for k in expected]
                assert {packet.payload_type for packet in got} == {ear.spec.payload_type}
                last[index] = n + 1
    assert engine.totals().protect_failures == 0


# Rule 3: the history holds protected bytes


@PROFILES
def test_a_nack_gives_the_same_bytes_at_most_twice(
    engine: BroadcastEngine, listening: Make, profile: object
) -> None:
    ear, bystander = listening(1, profile=profile), listening(2)
    for one in (ear, bystander):
        engine.add(one.spec)
    for n in range(10):
        engine.send("main", media(n, size=100 + n))
    original = ear.drain()
    bystander.drain()
    assert engine.nack(1, [1003, 1007]) == 2
    assert ear.drain() == [original[3], original[7]]
    assert engine.nack(1, [1003]) == 1
    assert ear.drain() == [original[3]]
    for _ in range(8):
        assert engine.nack(1, [1003]) == 0
    assert ear.drain() == []
    assert bystander.drain() == []
    counters = engine.counters(1)
    assert counters is not None
    assert (counters.packets, counters.retransmits) == (10, 3)
    assert engine.totals().refused_nacks == 8
    # The receiver that lost them opens them, once.
    assert [packet.payload for packet in ear.decrypt([original[3]])] == [media(3, size=103).payload]
    with pytest.raises(pylibsrtp.Error, match="replay"):
        ear.decrypt([original[3]])


@PROFILES
def test_a_nack_after_a_change_of_payload_gives_the_old_bytes(
    engine: BroadcastEngine, listening: Make, profile: object
) -> None:
    ear, others = listening(1, profile=profile), [listening(10 + n) for n in range(3)]
    engine.add(ear.spec)
    for other in others:
        engine.add(other.spec)
    for n in range(5):
        engine.send("main", media(n))
    assert engine.set_kind(1, "pcm", 111)
    for n in range(5, 10):
        engine.send("main", media(n, size=60))
        engine.send("main", media(n, size=900, frame=128), "pcm")
    original = ear.drain()
    opened = ear.decrypt(original)
    assert [packet.sequence for packet in opened] == list(range(1000, 1010))
    assert [len(packet.payload) for packet in opened] == [120] * 5 + [900] * 5
    assert engine.nack(1, range(1000, 1010)) == 10
    assert ear.drain() == original
    # Whoever has moved into its slot in the meantime has its own history.
    assert engine.set_kind(1, "opus", 111)
    engine.send("main", media(10))
    assert engine.nack(1, range(1000, 1011)) == 11
    assert ear.drain()[1:11] == original
    for other in others:
        sent = other.drain()
        assert [packet.sequence for packet in other.decrypt(sent)] == list(range(1000, 1011))
        assert engine.nack(other.spec.listener_id, range(1000, 1011)) == 11
        assert other.drain() == sent


def test_the_history_survives_a_move_into_a_hole(engine: BroadcastEngine, listening: Make) -> None:
    ears = [listening(n) for n in range(5)]
    for ear in ears:
        engine.add(ear.spec)
    for n in range(8):
        engine.send("main", media(n))
    engine.remove(0)
    engine.send("main", media(8))
    engine.remove(1)
    for n in range(9, 12):
        engine.send("main", media(n))
    for ear in ears[2:]:
        sent = ear.drain()
        assert len(sent) == 12
        assert engine.nack(ear.spec.listener_id, range(1000, 1012)) == 12
        assert ear.drain() == sent


@pytest.mark.parametrize("frame", [120, 480, 960])
def test_the_history_reaches_half_a_second_back_and_not_for_ever(
    engine: BroadcastEngine, listening: Make, frame: int
) -> None:
    ear = listening(1)
    engine.add(ear.spec)
    for n in range(1000):
        engine.send("main", media(n, size=8, frame=frame))
        ear.drain()
    last = 1000 + 999
    back = 24_000 // frame
    assert engine.nack(1, [last - back]) == 1
    assert engine.nack(1, [last - 2 * back, last + 1, 999, 40_000]) == 0
    assert [parse_rtp(data).sequence for data in ear.drain()] == [last - back]


def test_retransmissions_are_bounded_in_number(engine: BroadcastEngine, listening: Make) -> None:
    ear = listening(1)
    engine.add(ear.spec)
    for n in range(200):
        engine.send("main", media(n, frame=120))
    ear.drain()
    # Everything there is, again and again: the burst, then half a packet a packet.
    assert sum(engine.nack(1, range(1000, 1200)) for _ in range(5)) == RESEND_BURST
    for n in range(200, 240):
        engine.send("main", media(n, frame=120))
    assert sum(engine.nack(1, range(1100, 1240)) for _ in range(5)) == 20


def test_a_packet_from_before_the_join_is_not_resent(engine: BroadcastEngine, listening: Make) -> None:
    gone, ear = listening(1), listening(2)
    engine.add(gone.spec)
    for n in range(10):
        engine.send("main", media(n))
    engine.remove(1)
    engine.add(ear.spec)
    engine.send("main", media(10))
    ear.drain()
    # Its slot's older planes hold somebody else's packets.
    assert engine.nack(2, range(990, 1000)) == 0
    assert engine.nack(2, [1000]) == 1
    assert len(ear.drain()) == 1


# Rule 4: a bad destination does not starve those behind it


@pytest.mark.parametrize("batched", [True, False], ids=["sendmmsg", "sendmsg"])
def test_dead_destinations_are_stepped_over(
    media_socket: socket.socket, listening: Make, batched: bool
) -> None:
    engine = BroadcastEngine([media_socket], batched=batched)
    ears = {n: listening(n) for n in range(12)}
    # A broadcast address without SO_BROADCAST is EACCES; class E is EINVAL or ENETUNREACH.
    dead = {0: "255.255.255.255", 5: "255.255.255.255", 6: "240.0.0.1", 11: "255.255.255.255"}
    for n, ear in ears.items():
        if n in dead:
            ear.change(destination=Address(dead[n], 9))
        engine.add(ear.spec)
    for n in range(4):
        engine.send("main", media(n))
    for n, ear in ears.items():
        counters = engine.counters(n)
        assert counters is not None
        assert len(ear.rtp()) == (0 if n in dead else 4)
        assert (counters.packets, counters.errors) == ((0, 4) if n in dead else (4, 0))
    # Its sequence went on, so a new address finds an ordinary stream.
    assert engine.set_address(5, Address(*ears[5].sock.getsockname()), None)
    engine.send("main", media(4))
    assert [packet.sequence for packet in ears[5].rtp()] == [1004]


# Sender reports


@PROFILES
def test_a_sender_report_pairs_the_clocks_at_capture(
    engine: BroadcastEngine, listening: Make, profile: object
) -> None:
    ear = listening(1, profile=profile)
    engine.add(ear.spec)
    for n in range(50):
        engine.send("main", media(n))
    ear.drain()
    newest = media(49)
    # 7 ms after the newest packet's last sample was captured, and some time after the epoch.
    now, wall = newest.captured_ns + 7_000_000, 1_700_000_000 * NS + 123_456_789
    engine.report(now, wall, 0)
    (data,) = ear.rtcp()
    report, description = RtcpPacket.parse(data)
    assert isinstance(report, RtcpSrPacket)
    info = report.sender_info
    assert info.ntp_timestamp == ntp_from_wall(wall)
    captured_now = newest.media_time + FRAME + 7 * 48
    assert (info.rtp_timestamp - ear.spec.timestamp_offset) % 2**32 == pytest.approx(captured_now, abs=1)
    assert (info.packet_count, info.octet_count) == (50, 50 * 120)
    assert b"room" in bytes(description)
    # The pair says when any packet's first sample was captured.
    ago = samples_to_ns((info.rtp_timestamp - (newest.media_time + ear.spec.timestamp_offset)) % 2**32)
    assert now - ago == pytest.approx(newest.captured_ns - samples_to_ns(FRAME), abs=50_000)


@PROFILES
def test_leaving_says_bye(engine: BroadcastEngine, listening: Make, profile: object) -> None:
    ear = listening(1, profile=profile)
    engine.add(ear.spec)
    engine.send("main", media(0))
    assert engine.remove(1)
    assert not engine.remove(1)
    datagrams = ear.drain()
    assert [is_rtcp(data) for data in datagrams] == [False, True]
    packets = RtcpPacket.parse(ear.session.unprotect_rtcp(datagrams[1]))
    assert isinstance(packets[-1], RtcpByePacket)
    assert packets[-1].sources == [ear.spec.ssrc]


def test_srtcp_indices_go_on_through_all_kinds_of_reports(engine: BroadcastEngine, listening: Make) -> None:
    ear = listening(1)
    engine.add(ear.spec)
    engine.send("main", media(0))
    for n in range(5):
        engine.report(n * NS, n * NS, REPORT_INTERVAL_NS)
    engine.remove(1)
    datagrams = [data for data in ear.drain() if is_rtcp(data)]
    # RFC 7714, section 9.3: the index is the last word, with the bit that says it is encrypted.
    assert [struct.unpack("!I", data[-4:])[0] & 0x7FFF_FFFF for data in datagrams] == [1, 2, 3, 4, 5, 6]
    for data in datagrams:
        ear.session.unprotect_rtcp(data)


def test_a_spec_does_not_show_its_key(listening: Make) -> None:
    master = os.urandom(28)
    spec: ListenerSpec = listening(1).change(master=master).spec
    assert master.hex() not in repr(spec)
    assert repr(master) not in repr(spec)

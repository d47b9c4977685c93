"""Listeners whose RTP clock is slower than media time: timestamps and sender reports in step with it, in the same room."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest

from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.clock import NS
from rtcserver.encode.packet import EncodedPacket
from tests.broadcast.listening import FRAME, Listening, media, parse_rtp

Make = Callable[..., Listening]
WRAP = 2**32


def packet(media_time: int, payload: bytes) -> EncodedPacket:
    captured = 10**9 + (media_time % (100 * FRAME) + FRAME) * NS // 48_000
    return EncodedPacket(media_time, FRAME, captured, 1, payload)


@pytest.mark.parametrize("begin", [0, WRAP - 2 * FRAME, 6 * WRAP - 2 * FRAME])
def test_timestamps_step_by_the_codecs_own_clock_over_every_wrap(
    media_socket: socket.socket, listening: Make, begin: int
) -> None:
    engine = BroadcastEngine([media_socket])
    one = listening(1, kind="pcmu", clock_rate=8_000, payload_type=0)
    engine.add(one.spec)
    times = [begin - begin % FRAME + n * FRAME for n in range(5)]
    for time in times:
        engine.send("main", packet(time, bytes(160)), "pcmu")
    got = [parse_rtp(one.session.unprotect(data)) for data in one.drain()]
    assert {rtp.payload_type for rtp in got} == {0}
    assert [rtp.timestamp for rtp in got] == [
        (time // 6 + one.spec.timestamp_offset) % WRAP for time in times
    ]
    assert [(after.timestamp - got[0].timestamp) % WRAP for after in got] == [0, 160, 320, 480, 640]


def test_a_sender_report_matches_the_packets_of_its_clock(
    media_socket: socket.socket, listening: Make
) -> None:
    """Both listeners' reports name the same moment of the sound, each in its own clock (RFC 3550, section 6.4.1)."""
    engine = BroadcastEngine([media_socket])
    music, telephone = listening(1), listening(2, kind="pcma", clock_rate=8_000, payload_type=8)
    for one in (music, telephone):
        engine.add(one.spec)
    for n in range(10):
        engine.send("main", media(n))
        engine.send("main", media(n, 160), "pcma")
    for one in (music, telephone):
        one.drain()
    engine.report(10**9 + 10 * FRAME * NS // 48_000, 1_700_000_000 * NS, NS)
    said = []
    for one in (music, telephone):
        (data,) = one.drain()
        plain = one.session.unprotect_rtcp(data)
        assert plain[1] == 200
        ntp, timestamp = struct.unpack_from("!QI", plain, 8)
        said.append((ntp, (timestamp - one.spec.timestamp_offset) % WRAP))
    assert said[0][0] == said[1][0]
    assert said[0][1] == pytest.approx(10 * FRAME, abs=1)
    assert said[1][1] == said[0][1] // 6


def test_one_kind_has_one_clock(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    engine.add(listening(1).spec)
    with pytest.raises(ValueError, match="48000 Hz"):
        engine.add(listening(2, clock_rate=8_000).spec)
    assert len(engine) == 1
    engine.add(listening(3, kind="pcmu", clock_rate=8_000).spec)
    with pytest.raises(ValueError, match="48000 Hz"):
        engine.set_kind(3, "opus", 111)
    assert engine.kind_of(3) == "pcmu"


@pytest.mark.parametrize("rate", [0, -8_000, 44_100, 96_000])
def test_a_clock_that_does_not_divide_media_time_is_named(listening: Make, rate: int) -> None:
    with pytest.raises(ValueError, match=f"clock_rate is {rate}"):
        listening(1, clock_rate=rate)

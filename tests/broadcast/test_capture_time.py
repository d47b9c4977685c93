"""The header extension that says when a packet was captured: who gets it, when, and what is in it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest

from rtcserver.broadcast.capture_time import SIZE, extension
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.clock import NS, samples_to_ns
from rtcserver.encode.red import MAX_PAYLOAD
from tests.broadcast.listening import CM, FRAME, GCM, Listening, Rtp, is_rtcp, media, parse_rtp

Make = Callable[..., Listening]
WALL_NS = 1_700_000_000 * NS
"""Wall time at monotonic 0."""


@pytest.fixture
def engine(media_socket: socket.socket) -> BroadcastEngine:
    made = BroadcastEngine([media_socket])
    made.report(0, WALL_NS, 0)
    return made


def heard(ear: Listening) -> list[tuple[Rtp, bytes]]:
    """Each packet without its header extension, and that."""
    found = []
    for data in ear.drain():
        if is_rtcp(data):
            continue
        plain = ear.session.unprotect(data)
        size = 0
        if plain[0] & 0x10:
            profile, words = struct.unpack_from("!HH", plain, 12)
            assert profile == 0xBEDE
            size = 4 + 4 * words
        found.append((parse_rtp(b"\x80" + plain[1:12] + plain[12 + size :]), plain[12 : 12 + size]))
    return found


def captured_ns(part: bytes, number: int) -> int:
    """Wall ns of the capture, from an extension with one element in the long form."""
    assert part[4] == number << 4 | 15
    timestamp, offset = struct.unpack_from("!Qq", part, 5)
    assert offset == 0
    assert part[21:] == bytes(3)
    return round((timestamp / 2**32 - 2_208_988_800) * NS)


@pytest.mark.parametrize("profile", [GCM, CM])
def test_it_comes_with_the_first_packet_and_then_once_a_second(
    engine: BroadcastEngine, listening: Make, profile: object
) -> None:
    ear, other, plain = (
        listening(n, profile=profile, capture_id=number) for n, number in ((1, 9), (2, 3), (3, 0))
    )
    for one in (ear, other, plain):
        engine.add(one.spec)
    got: dict[Listening, list[tuple[Rtp, bytes]]] = {ear: [], other: [], plain: []}
    for n in range(120):
        engine.send("main", media(n))
        for one, packets in got.items():
            packets += heard(one)
    assert [n for n, (_, part) in enumerate(got[ear]) if part] == [0, 50, 100]
    assert [part for _, part in got[plain]] == [b""] * 120
    for one, packets in got.items():
        assert [packet.payload for packet, _ in packets] == [media(n).payload for n in range(120)]
        assert [packet.sequence for packet, _ in packets] == list(range(1000, 1120))
        counters = engine.counters(one.spec.listener_id)
        assert counters is not None
        assert (counters.packets, counters.octets) == (120, 120 * 120)
    for n in (0, 50, 100):
        # A packet's first sample was captured a frame before the block that completed it had arrived.
        expected = WALL_NS + media(n).captured_ns - samples_to_ns(FRAME)
        assert captured_ns(got[ear][n][1], 9) == pytest.approx(expected, abs=1_000)
        assert captured_ns(got[other][n][1], 3) == pytest.approx(expected, abs=1_000)


def test_who_comes_later_need_not_wait_for_it(engine: BroadcastEngine, listening: Make) -> None:
    engine.add(listening(1, capture_id=9).spec)
    for n in range(10):
        engine.send("main", media(n))
    late = listening(2, capture_id=9)
    engine.add(late.spec)
    for n in range(10, 80):
        engine.send("main", media(n))
    assert [n for n, (_, part) in enumerate(heard(late)) if part] == [0, 50]


def test_a_packet_with_it_is_sent_again_as_it_was(engine: BroadcastEngine, listening: Make) -> None:
    ear = listening(1, capture_id=9)
    engine.add(ear.spec)
    engine.send("main", media(0))
    (first,) = ear.drain()
    engine.send("main", media(1))
    ear.drain()
    engine.nack(1, [1000])
    assert ear.drain() == [first]


def test_it_goes_along_to_another_kind_and_another_address(engine: BroadcastEngine, listening: Make) -> None:
    ear, moved = listening(1, capture_id=9), listening(2)
    engine.add(ear.spec)
    engine.send("main", media(0))
    engine.set_kind(1, "pcm", 111)
    engine.set_address(1, moved.spec.destination, None)
    moved.session = ear.new_session()
    engine.send("main", media(1), "pcm")
    ((_, part),) = heard(moved)
    assert captured_ns(part, 9) == pytest.approx(
        WALL_NS + media(1).captured_ns - samples_to_ns(FRAME), abs=1_000
    )


def test_a_packet_without_room_for_it_waits_for_the_next(engine: BroadcastEngine, listening: Make) -> None:
    ear = listening(1, capture_id=9)
    engine.add(ear.spec)
    engine.send("main", media(0, size=MAX_PAYLOAD - SIZE + 1))
    engine.send("main", media(1, size=MAX_PAYLOAD - SIZE))
    assert [bool(part) for _, part in heard(ear)] == [False, True]


def test_without_the_wall_clock_there_is_none(media_socket: socket.socket, listening: Make) -> None:
    engine, ear = BroadcastEngine([media_socket]), listening(1, capture_id=9)
    engine.add(ear.spec)
    engine.send("main", media(0))
    assert [part for _, part in heard(ear)] == [b""]


@pytest.mark.parametrize("number", [0, 15, -1])
def test_an_id_that_the_one_byte_form_has_not_is_refused(number: int, listening: Make) -> None:
    with pytest.raises(ValueError, match="id of a header extension"):
        extension(number, 0)
    if number:
        with pytest.raises(ValueError, match="capture_id"):
            listening(1, capture_id=number)

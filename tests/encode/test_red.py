"""RED payloads (RFC 2198): what is packed is what a reader of the RFC takes out again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import MAX_EARLIER, MAX_PAYLOAD, RedundantPackets
from tests.encode.red_reader import unpack

FRAME = 480


def packet(n: int, payload: bytes | None = None, at: int | None = None) -> EncodedPacket:
    return EncodedPacket(
        n * FRAME if at is None else at, FRAME, 0, 1, bytes((n, n)) if payload is None else payload
    )


def pushed(*packets: EncodedPacket) -> RedundantPackets:
    redundant = RedundantPackets()
    for one in packets:
        redundant.push(one)
    return redundant


def test_the_bytes_of_two_frames_are_those_of_the_rfc() -> None:
    redundant = pushed(packet(1, b"old"), packet(2, b"newest"))
    # 1, type 111, offset 480 of 14 bits, length 3 of 10 bits; 0, type 111.
    assert redundant.payload(1, 111) == bytes.fromhex("ef078003 6f") + b"old" + b"newest"


@pytest.mark.parametrize("level", range(MAX_EARLIER + 1))
def test_a_level_is_so_many_earlier_frames_oldest_first(level: int) -> None:
    redundant = pushed(*(packet(n) for n in range(5)))
    found = unpack(redundant.payload(level, 96), 4 * FRAME)
    assert found == [(96, n * FRAME, bytes((n, n))) for n in range(4 - level, 5)]


def test_the_first_packet_has_nothing_to_repeat() -> None:
    assert unpack(pushed(packet(7)).payload(2, 111), 7 * FRAME) == [(111, 7 * FRAME, b"\x07\x07")]


def test_frames_on_the_other_side_of_a_gap_are_left_out() -> None:
    redundant = pushed(packet(1), packet(2, at=5 * FRAME))
    assert unpack(redundant.payload(2, 111), 5 * FRAME) == [(111, 5 * FRAME, b"\x02\x02")]


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((200, 200, 200), 3),
        ((400, 400, 400), 2),  # a third does not fit into a packet
        ((100, 900, 400), 1),  # what does not fit ends the row: an older one alone would leave a hole
        ((10, 1024, 10), 1),  # longer than ten bits can say
        ((1275, 1275, 1275), 1),
    ],
)
def test_what_does_not_fit_is_left_out(sizes: tuple[int, ...], kept: int) -> None:
    redundant = pushed(*(packet(n, bytes((n,)) * size) for n, size in enumerate(sizes)))
    payload = redundant.payload(2, 111)
    assert len(payload) <= max(MAX_PAYLOAD, 1 + sizes[-1])
    assert [len(frame) for _, _, frame in unpack(payload, 0)] == list(sizes[-kept:])


@given(
    st.lists(st.binary(min_size=1, max_size=1275), min_size=1, max_size=8),
    st.integers(0, 2),
    st.integers(0, 127),
)
def test_any_packets_come_out_as_they_went_in(payloads: list[bytes], level: int, payload_type: int) -> None:
    redundant = pushed(*(packet(n, payload) for n, payload in enumerate(payloads)))
    now = (len(payloads) - 1) * FRAME
    found = unpack(redundant.payload(level, payload_type), now)
    assert 1 <= len(found) <= level + 1
    for back, (kind, timestamp, frame) in enumerate(reversed(found)):
        assert (kind, timestamp) == (payload_type, (now - back * FRAME) & 0xFFFF_FFFF)
        assert frame == payloads[-1 - back]


@given(st.binary(max_size=64))
def test_any_bytes_are_frames_or_a_value_error(data: bytes) -> None:
    try:
        found = unpack(data, 0)
    except ValueError:
        return
    assert sum(len(frame) for _, _, frame in found) < len(data)


@pytest.mark.parametrize(("level", "payload_type"), [(-1, 111), (MAX_EARLIER + 1, 111), (1, 128), (1, -1)])
def test_what_cannot_be_is_refused(level: int, payload_type: int) -> None:
    with pytest.raises(ValueError, match="level"):
        pushed(packet(1)).payload(level, payload_type)
    with pytest.raises(ValueError, match="no packet"):
        RedundantPackets().payload(1, 111)

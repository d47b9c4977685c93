"""Packets on a stream: whatever the pieces are that it comes in, the same packets come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.transport.framing import MAX_FRAME, Deframer, framed, is_framed
from tests.transport.hostile import HELLO

PACKETS = st.lists(st.binary(max_size=MAX_FRAME), max_size=6)


@given(packets=PACKETS, cuts=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_packets_come_out_as_they_went_in_however_the_stream_is_cut(
    packets: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(map(framed, packets))
    deframer = Deframer()
    found: list[bytes] = []
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += deframer.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == packets
    assert not deframer.broken


def test_a_packet_that_is_too_long_breaks_the_stream_after_those_before_it() -> None:
    deframer = Deframer()
    too_long = (MAX_FRAME + 1).to_bytes(2) + bytes(MAX_FRAME + 1)
    assert deframer.feed(framed(b"one") + too_long + framed(b"two")) == [b"one"]
    assert deframer.broken
    assert deframer.feed(framed(b"three")) == []
    with pytest.raises(ValueError, match="1501 bytes"):
        framed(bytes(MAX_FRAME + 1))


def test_the_longest_packet_and_a_null_packet_are_packets() -> None:
    deframer = Deframer()
    assert deframer.feed(framed(b"") + framed(bytes(MAX_FRAME))) == [b"", bytes(MAX_FRAME)]
    assert not deframer.broken


def test_it_holds_less_than_one_packet() -> None:
    deframer = Deframer()
    for _ in range(3):
        assert deframer.feed(framed(bytes(MAX_FRAME))[:-1]) == []
        assert len(deframer._held) <= MAX_FRAME + 1
        assert deframer.feed(b"\0") == [bytes(MAX_FRAME)]


@pytest.mark.parametrize("size", [0, 20, MAX_FRAME])
def test_a_framed_stream_is_told_from_http_and_tls_by_its_first_byte(size: int) -> None:
    assert is_framed(framed(bytes(size)))


@pytest.mark.parametrize(
    "begins",
    [b"", b"GET / HTTP/1.1\r\n", b"OPTIONS * HTTP/1.1", b"PRI * HTTP/2.0", b"\x16\x03\x01", b"\r\n", HELLO],
)
def test_http_and_tls_are_no_framed_streams(begins: bytes) -> None:
    assert not is_framed(begins)

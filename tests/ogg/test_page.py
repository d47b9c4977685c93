"""Pages: layout, lacing and checksum, against a reader of its own."""

from __future__ import annotations

import random

import pytest

from rtcserver.ogg.page import BEGINS, MAX_SEGMENTS, crc, page, segments_of
from tests.ogg.pages import checksum, read


@pytest.mark.parametrize("length", [0, 1, 2, 255, 4096])
def test_the_checksum_is_that_of_the_rfc(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert crc(data) == checksum(data)


def test_packets_of_every_length_come_back() -> None:
    made = random.Random(5)
    packets = [made.randbytes(length) for length in (0, 1, 254, 255, 256, 510, 511, 1275)]
    (found,) = read(page(0xFFFFFFFF, 0x1_0000_0002, 1 << 40, packets, BEGINS))
    assert found.packets == packets
    assert (found.serial, found.number, found.granule, found.flags) == (0xFFFFFFFF, 2, 1 << 40, BEGINS)


def test_a_page_has_room_for_255_lacing_values_and_no_more() -> None:
    packet = bytes(254)
    assert segments_of(packet) == 1
    assert segments_of(bytes(255)) == 2
    assert len(read(page(1, 0, 0, [packet] * MAX_SEGMENTS))[0].packets) == MAX_SEGMENTS
    with pytest.raises(ValueError, match="256 packets take 256 segments: a page has 255"):
        page(1, 0, 0, [packet] * (MAX_SEGMENTS + 1))

"""Taking packets apart: RED (RFC 2198) as the server packs it and as others may, durations of Opus packets."""

from __future__ import annotations

import opuslib.api.decoder as libopus
import pytest

from rtcserver.client.red import MAX_BLOCKS, Block, opus_samples, split_red
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import RedundantPackets


def test_what_the_server_packs_comes_apart_newest_first() -> None:
    packed = RedundantPackets()
    for number in range(3):
        packed.push(EncodedPacket(number * 480, 480, 0, 0, bytes([number]) * (number + 5)))
    found = split_red(packed.payload(2, 111), 200)
    assert found == [
        Block(111, 200, b"\x02" * 7),
        Block(111, (200 - 480) % 2**32, b"\x01" * 6),
        Block(111, (200 - 960) % 2**32, b"\x00" * 5),
    ]
    assert split_red(packed.payload(0, 96), 7) == [Block(96, 7, b"\x02" * 7)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xef",
        b"\xef\x00\x00",
        b"\xef\x00\x04\x02",
        b"\xef\x00\x04\x02\x6f",
        b"\xef\x00\x04\x02\x6fa",
        b"\xff" * 1200,
        (b"\xef\x00\x04\x00" * (MAX_BLOCKS + 1)) + b"\x6fx",
    ],
)
def test_what_is_no_red_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="redundant payload"):
        split_red(payload, 0)


def test_as_many_blocks_as_are_allowed_pass() -> None:
    assert len(split_red((b"\xef\x00\x04\x00" * MAX_BLOCKS) + b"\x6fx", 0)) == MAX_BLOCKS + 1


def test_durations_are_those_that_libopus_reads() -> None:
    for first in range(256):
        for counted in (1, 2, 3, 6):
            packet = bytes([first, counted]) + bytes(20)
            frames = libopus.libopus_packet_get_nb_frames(packet, len(packet))
            samples = frames * libopus.libopus_packet_get_samples_per_frame(packet, 48_000)
            assert opus_samples(packet) == (samples if samples <= 5760 else 0)


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\x1b\x3f"])
def test_what_is_no_opus_packet_lasts_nothing(packet: bytes) -> None:
    assert opus_samples(packet) == 0

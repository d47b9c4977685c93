"""Studio payloads: the very samples, within a datagram, and never anything for a decoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import opuslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.capture.mix import stereo_mix
from rtcserver.encode.pcm import MAX_PAYLOAD, PcmPacker, Redundancy, decode_samples, unpack

RANDOM = np.random.default_rng(7)


def block(data: npt.NDArray[np.generic], first: int = 0) -> Block:
    return Block(memoryview(data.tobytes()), len(data), first, 0, 0)


def test_float_samples_of_24_bits_arrive_exactly() -> None:
    ints = RANDOM.integers(-(2**23), 2**23, (128, 8))
    stream = StreamFormat(44_100, 8, 128, "float32")
    packer = PcmPacker(stream, stereo_mix("3,4", "", 8), 5)
    ((first, frames, payload),) = packer.pack(block((ints / 2**23).astype(np.float32), 1000))
    read = unpack(payload)
    assert (first, frames, read.first_frame, read.epoch, read.rate) == (1000, 128, 1000, 5, 44_100)
    assert packer.exact
    np.testing.assert_array_equal(read.to_int(), ints[:, 2:4])


def test_int16_samples_arrive_exactly_in_16_bits() -> None:
    ints = RANDOM.integers(-(2**15), 2**15, (256, 2)).astype(np.int16)
    packer = PcmPacker(StreamFormat(48_000, 2, 256, "int16"), stereo_mix("2,1", "", 2), 1)
    ((_, _, payload),) = packer.pack(block(ints))
    np.testing.assert_array_equal(unpack(payload).to_int(), ints[:, ::-1])


def test_int24_samples_arrive_exactly() -> None:
    ints = RANDOM.integers(-(2**23), 2**23, (64, 2)).astype(np.int32)
    packed = ints.view(np.uint8).reshape(-1, 4)[:, :3]
    stream = StreamFormat(96_000, 2, 64, "int24")
    packer = PcmPacker(stream, stereo_mix("1,2", "", 2), 1)
    data = Block(memoryview(np.ascontiguousarray(packed).tobytes()), 64, 0, 0, 0)
    ((_, _, payload),) = packer.pack(data)
    np.testing.assert_array_equal(unpack(payload).to_int(), ints)


@pytest.mark.parametrize("sample_format", ["int16", "float32"])
@pytest.mark.parametrize("frames", [64, 128, 256, 512, 1000])
def test_no_datagram_is_too_long(sample_format: str, frames: int) -> None:
    stream = StreamFormat(44_100, 2, frames, sample_format)  # type: ignore[arg-type]  # parametrised
    packer = PcmPacker(stream, stereo_mix("1,2", "", 2), 1)
    dtype = np.int16 if sample_format == "int16" else np.float32
    pieces = list(packer.pack(block(np.zeros((frames, 2), dtype), 300)))
    assert all(len(payload) <= MAX_PAYLOAD for _, _, payload in pieces)
    assert sum(count for _, count, _ in pieces) == frames
    assert [first for first, _, _ in pieces] == [unpack(payload).first_frame for _, _, payload in pieces]


def test_an_opus_decoder_refuses_every_payload() -> None:
    decoder = opuslib.Decoder(48_000, 2)
    for frames in (32, 128, 256):
        packer = PcmPacker(StreamFormat(44_100, 2, frames, "int16"), stereo_mix("1,2", "", 2), 1)
        ints = RANDOM.integers(-(2**15), 2**15, (frames, 2)).astype(np.int16)
        for _, _, payload in packer.pack(block(ints)):
            with pytest.raises(opuslib.OpusError):
                decoder.decode(payload, 5760)


def test_two_blocks_share_a_datagram_where_they_fit() -> None:
    packer = PcmPacker(StreamFormat(44_100, 2, 128, "int16"), stereo_mix("1,2", "", 2), 1)
    twice = Redundancy()
    blocks = [RANDOM.integers(-9, 9, (128, 2)).astype(np.int16) for _ in range(3)]
    sent = []
    for number, ints in enumerate(blocks):
        ((_, _, payload),) = packer.pack(block(ints, number * 128))
        sent.append(twice.push(payload))
    assert [len(payloads) for payloads in sent] == [1, 1, 1]
    last = unpack(sent[2][0])
    assert last.previous is not None
    np.testing.assert_array_equal(decode_samples(last.previous, 16), blocks[1])
    assert len(sent[2][0]) <= MAX_PAYLOAD


def test_longer_blocks_are_repeated_and_only_neighbours_are() -> None:
    packer = PcmPacker(StreamFormat(44_100, 2, 128, "float32"), stereo_mix("1,2", "", 2), 1)
    twice = Redundancy()
    payloads = [
        next(packer.pack(block(np.full((128, 2), n / 8, np.float32), first)))[2]
        for n, first in enumerate((0, 128, 512))
    ]
    sent = [twice.push(payload) for payload in payloads]
    assert [len(one) for one in sent] == [1, 2, 1]
    repeat = unpack(sent[1][1])
    assert (repeat.repeat, repeat.first_frame) == (True, 0)


@given(st.binary(max_size=1300))
def test_any_bytes_give_a_block_or_a_reason(data: bytes) -> None:
    for candidate in (data, b"\xff\x00\x01" + data):
        try:
            read = unpack(candidate)
        except ValueError:
            continue
        assert 1 <= read.frames <= 256

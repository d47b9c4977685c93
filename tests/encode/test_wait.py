"""The encoder sleeps through the blocks that complete no packet, and never through one that does."""

from __future__ import annotations

import numpy as np
import pytest

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.capture.mix import stereo_mix
from rtcserver.encode.framing import Framer
from rtcserver.encode.opus import OpusEncoder
from rtcserver.encode.pipeline import EncodePipeline, EncoderRun
from rtcserver.encode.timeline import Epoch


def pipeline_of(rate: int, blocksize: int, frame_samples: int) -> EncodePipeline:
    return EncodePipeline(
        StreamFormat(rate, 2, blocksize),
        stereo_mix("1,2", "", 2),
        Epoch(1, 0, rate),
        [EncoderRun(0, Framer(frame_samples), OpusEncoder(frame_samples, 160_000))],
    )


def block_of(first: int, frames: int) -> Block:
    sound = np.random.default_rng(first).normal(0, 0.1, (frames, 2)).astype(np.float32)
    return Block(memoryview(sound).cast("B"), frames, first, 0, 0)


@pytest.mark.parametrize(("rate", "blocksize"), [(44_100, 128), (48_000, 128), (48_000, 512), (96_000, 64)])
@pytest.mark.parametrize("frame_samples", [120, 480, 960])
def test_no_packet_is_complete_before_it_says(rate: int, blocksize: int, frame_samples: int) -> None:
    pipeline = pipeline_of(rate, blocksize, frame_samples)
    made, wait, waits, vain = 0, 1, 0, 0
    for number in range(rate // (4 * blocksize)):
        packets = len(list(pipeline.push(block_of(number * blocksize, blocksize))))
        made += packets
        wait -= 1
        # Nothing is known of the grid before the first packet.
        assert wait == 0 or packets == 0 or made == packets
        if wait <= 0:
            wait, _ = pipeline.blocks_to_packets()
            waits += 1
            vain += packets == 0
    assert waits <= made + 3
    assert vain <= 3 + made // 20


@pytest.mark.parametrize(("rate", "blocksize"), [(44_100, 128), (48_000, 128), (48_000, 512), (96_000, 64)])
@pytest.mark.parametrize("frame_samples", [120, 480, 960])
def test_nor_is_the_one_after_that(rate: int, blocksize: int, frame_samples: int) -> None:
    pipeline = pipeline_of(rate, blocksize, frame_samples)
    number = 0

    def push() -> int:
        nonlocal number
        number += 1
        return len(pipeline.push(block_of(number * blocksize, blocksize)))

    while not push():
        pass
    exact = 0
    for _ in range(50):
        first, then = pipeline.blocks_to_packets()
        made = [push() for _ in range(first + then)]
        assert not any(made[: first - 1])
        assert not any(made[first : first + then - 1]), "a packet was complete while the source still waited"
        exact += bool(made[-1]) or bool(made[first - 1])
    assert exact > 25


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_joined_blocks_make_the_same_packets(rate: int) -> None:
    single, joined = pipeline_of(rate, 128, 480), pipeline_of(rate, 128, 480)
    blocks = [block_of(number * 128, 128) for number in range(40)]
    one_by_one = [packet for block in blocks for packet in single.push(block)]
    four_at_a_time = []
    for first in range(0, 40, 4):
        data = b"".join(block.data for block in blocks[first : first + 4])
        block = Block(memoryview(data), 512, first * 128, 0, 0)
        four_at_a_time += list(joined.push(block))
    assert [packet.media_time for packet in one_by_one] == [packet.media_time for packet in four_at_a_time]
    assert [packet.payload for packet in one_by_one] == [packet.payload for packet in four_at_a_time]
    assert len(one_by_one) >= 11

"""The ring never blocks its writer: a reader that is too late loses the oldest blocks and knows how many."""

from __future__ import annotations

import select
import threading

import numpy as np
import pytest

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.ring import FLAG_OVERFLOW, BlockRing

STREAM = StreamFormat(48_000, 2, 16, "int16")


def write(ring: BlockRing, number: int, frames: int = 16, flags: int = 0) -> None:
    data = np.full((frames, ring.stream.channels), number % 30_000, np.int16)
    ring.write(memoryview(data).cast("B"), frames, 1000 + number, 500 + number, flags)


def read(ring: BlockRing) -> tuple[int, int, int, int] | None:
    """``(number, frames, flags, lost)`` of the next block, whose samples and stamps must agree."""
    item = ring.read()
    if item is None:
        return None
    block, flags, lost = item
    samples = np.frombuffer(block.data, np.int16)
    assert len(samples) == block.frames * 2
    number = block.arrived_ns - 1000
    assert (samples == number % 30_000).all()
    assert block.adc_ns == 500 + number
    return number, block.frames, flags, lost


def test_blocks_come_out_as_they_went_in() -> None:
    ring = BlockRing(STREAM, slots=8)
    for number in range(100):
        assert read(ring) is None
        write(ring, number, frames=16 - number % 3, flags=FLAG_OVERFLOW if number == 5 else 0)
        assert ring.waiting == 1
        assert read(ring) == (number, 16 - number % 3, FLAG_OVERFLOW if number == 5 else 0, 0)
    assert (ring.written, ring.waiting, ring.overruns) == (100, 0, 0)
    ring.close()


@pytest.mark.parametrize(("written", "lost"), [(7, 0), (8, 1), (9, 2), (20, 13), (1000, 993)])
def test_a_late_reader_gets_the_newest_blocks_and_the_number_of_the_lost(written: int, lost: int) -> None:
    ring = BlockRing(STREAM, slots=8)
    for number in range(written):
        write(ring, number)
    assert read(ring) == (lost, 16, 0, lost)
    for number in range(lost + 1, written):
        assert read(ring) == (number, 16, 0, 0)
    assert read(ring) is None
    assert ring.overruns == lost
    ring.close()


def test_the_wakeup_is_readable_exactly_while_something_waits() -> None:
    ring = BlockRing(STREAM, slots=8)
    poll = select.poll()
    poll.register(ring.fd, select.POLLIN)
    assert poll.poll(0) == []
    ring.clear_wakeup()
    for number in range(3):
        write(ring, number)
    assert poll.poll(0)
    ring.clear_wakeup()
    assert poll.poll(0) == []
    assert [read(ring) is not None for _ in range(4)] == [True, True, True, False]
    ring.close()
    ring.close()
    assert ring.fd == -1


def test_two_threads_lose_nothing_unnoticed() -> None:
    """A reader that dawdles now and then: what it reads and what it is told it lost is all there was."""
    ring = BlockRing(STREAM, slots=16)
    total = 4_000

    def produce() -> None:
        for number in range(total):
            write(ring, number)

    writer = threading.Thread(target=produce)
    writer.start()
    expected, lost_in_all = 0, 0
    while expected < total:
        item = ring.read()
        if item is None:
            continue
        block, _, lost = item
        lost_in_all += lost
        assert block.arrived_ns - 1000 == expected + lost
        expected += lost + 1
    writer.join()
    assert ring.overruns == lost_in_all
    ring.close()

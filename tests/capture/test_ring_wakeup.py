"""The reader is woken when as many blocks wait as it wants, and may take them as one."""

from __future__ import annotations

import select

import numpy as np

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.ring import FLAG_OVERFLOW, BlockRing

STREAM = StreamFormat(48_000, 2, 16, "int16")


def write(ring: BlockRing, number: int, *, frames: int = 16, flags: int = 0) -> None:
    data = np.full((frames, 2), number, np.int16)
    ring.write(memoryview(data).cast("B"), frames, 1000 + number, 500 + number, flags)


def woken(ring: BlockRing) -> bool:
    poll = select.poll()
    poll.register(ring.fd, select.POLLIN)
    return bool(poll.poll(0))


def taken(ring: BlockRing, most: int) -> tuple[list[int], int, int]:
    """The numbers of the blocks that one read gives, its flags and its losses; stamps are checked."""
    item = ring.read(most)
    assert item is not None
    block, flags, lost = item
    numbers = [int(number) for number in dict.fromkeys(np.frombuffer(block.data, np.int16))]
    assert block.adc_ns == 500 + numbers[0]
    assert block.arrived_ns == 1000 + numbers[-1]
    assert len(block.data) == block.frames * 4
    return numbers, flags, lost


def test_every_block_wakes_a_reader_that_said_nothing() -> None:
    ring = BlockRing(STREAM, slots=8)
    assert not woken(ring)
    for number in range(3):
        write(ring, number)
        assert woken(ring)
        ring.clear_wakeup()
    ring.close()


def test_it_sleeps_until_there_is_enough() -> None:
    ring = BlockRing(STREAM, slots=8)
    assert not ring.want(3)
    write(ring, 1)
    write(ring, 2)
    assert not woken(ring)
    write(ring, 3)
    assert woken(ring)
    ring.clear_wakeup()
    assert taken(ring, 3)[0] == [1, 2, 3]
    assert not ring.want(1)
    write(ring, 4)
    assert woken(ring)
    ring.close()


def test_what_is_there_already_is_said_at_once() -> None:
    ring = BlockRing(STREAM, slots=8)
    ring.want(4)
    write(ring, 1)
    write(ring, 2)
    assert not woken(ring)
    assert ring.want(2)
    assert not ring.want(3)
    ring.close()


def test_blocks_are_joined_only_where_they_lie_in_one_piece() -> None:
    ring = BlockRing(STREAM, slots=8)
    for number in range(5):
        write(ring, number, flags=FLAG_OVERFLOW if number == 3 else 0)
    assert taken(ring, 8) == ([0, 1, 2], 0, 0)
    assert taken(ring, 8) == ([3, 4], FLAG_OVERFLOW, 0)
    # Over the end of the buffer, and behind a short block.
    for number in range(5, 9):
        write(ring, number, frames=9 if number == 6 else 16)
    assert taken(ring, 8) == ([5, 6], 0, 0)
    assert taken(ring, 8) == ([7], 0, 0)
    assert taken(ring, 8) == ([8], 0, 0)
    assert ring.read(8) is None
    ring.close()


def test_a_late_reader_still_learns_what_it_lost() -> None:
    ring = BlockRing(STREAM, slots=8)
    for number in range(20):
        write(ring, number)
    numbers, _, lost = taken(ring, 3)
    assert (numbers[0], lost) == (13, 13)
    ring.close()

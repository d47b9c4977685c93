"""Counting one stream: gaps, wraps, repeats, and what should have come."""

from __future__ import annotations

import numpy as np

from rtcserver.load.stream import Mark, Stream, expected, frame_samples

SECOND = 1_000_000_000


def count(stream: Stream, sequences: list[int], timestamp: int = 0) -> None:
    stream.count(np.array(sequences, np.uint16), timestamp)


def test_packets_in_order_over_the_wrap() -> None:
    stream = Stream()
    count(stream, [65534, 65535, 0, 1])
    count(stream, [2])
    assert (stream.received, stream.gaps, stream.unordered) == (5, 0, 0)
    assert stream.sequence == 65534 + 4


def test_missing_packets_are_one_gap_each_place() -> None:
    stream = Stream()
    count(stream, [10, 11, 14])
    count(stream, [16, 17])
    assert (stream.received, stream.gaps) == (5, 2)
    assert stream.lost == 3


def test_repeated_and_late_packets_are_not_received_twice() -> None:
    stream = Stream()
    count(stream, [5, 6, 6, 8, 7, 9])
    assert (stream.received, stream.unordered, stream.gaps) == (4, 2, 1)


def test_single_packets_count_as_batches_do() -> None:
    one, batch = Stream(), Stream()
    sequences = [65533, 65534, 1, 1, 2]
    for sequence in sequences:
        timestamp = 4_000_000_000 + (sequence - 65533) % 65536 * 960
        one.count_one(sequence, timestamp)
        count(batch, [sequence], timestamp)
    assert one.mark(0) == batch.mark(0)


def test_timestamps_are_extended_beyond_32_bits() -> None:
    stream = Stream()
    count(stream, [1], 0xFFFF_FF00)
    count(stream, [2], 0x2C0)
    assert stream.timestamp == 0xFFFF_FF00 + 960


def heard(packets: int, samples: int) -> Stream:
    stream = Stream()
    for number in range(packets):
        count(stream, [100 + number], 5000 + number * samples)
    return stream


def test_frame_length_is_the_median_over_streams_that_heard_something() -> None:
    assert frame_samples([heard(50, 960), Stream(), heard(1, 0), heard(48, 960), heard(100, 480)]) == 960
    assert frame_samples([Stream(), heard(1, 0)]) == 0


def test_what_should_have_come_is_told_by_sequence_and_time() -> None:
    begin = Mark(0, 1000, 3, 1)
    assert expected(begin, Mark(10 * SECOND, 1500, 3, 1), 960) == 500
    assert expected(begin, Mark(10 * SECOND, 1490, 13, 2), 960) == 500
    assert expected(begin, Mark(10 * SECOND, 1250, 3, 1), 960) == 498, "the server sent half"
    assert expected(begin, Mark(10 * SECOND, 1000, 3, 1), 0) == 0


def test_what_was_before_the_anchor_does_not_count_as_spacing() -> None:
    stream = heard(10, 960)
    stream.anchor()
    for number in range(10):
        count(stream, [110 + number], 5000 + 9 * 960 + (number + 1) * 128)
    assert frame_samples([stream]) == 128

"""The one reader of a feed: what it returns, skips, drops and counts, and how it tells the end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from rtcserver.clock import monotonic_ns
from rtcserver.encode.feed import EXPIRED_NS, FeedReader
from rtcserver.encode.packet import KIND_CODED, KIND_PCM, MAX_RECORD, EncodedPacket


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(writing, reading) halves."""
    writing, reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with writing, reading:
        yield writing, reading


def packet(n: int, kind: int = KIND_CODED, age_ns: int = 0) -> EncodedPacket:
    return EncodedPacket(n * 480, 480, monotonic_ns() - age_ns, 1, n.to_bytes(4) + bytes(60), kind)


def read_all(reader: FeedReader) -> list[EncodedPacket]:
    found = []
    while (one := reader.read()) is not None:
        found.append(one)
    return found


def test_packets_come_in_order_with_the_time_they_were_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    reader = FeedReader(pair[1])
    assert reader.read() is None
    sent = [packet(n, KIND_PCM if n % 2 else KIND_CODED) for n in range(10)]
    before = monotonic_ns()
    for one in sent:
        pair[0].send(one.pack())
    assert read_all(reader) == sent
    assert before <= reader.read_ns <= monotonic_ns()
    assert not reader.ended


@pytest.mark.parametrize("kind", [KIND_CODED, KIND_PCM])
def test_other_kinds_and_further_streams_are_skipped_without_a_count(
    pair: tuple[socket.socket, socket.socket], kind: int
) -> None:
    reader = FeedReader(pair[1], (kind,))
    sent = [packet(n, KIND_PCM if n % 2 else KIND_CODED) for n in range(10)]
    for one in sent:
        record = one.pack()
        pair[0].send(record)
        # The same kind in stream 1 and 256: what this reader was not written for.
        pair[0].send(record[:2] + b"\x01\x00" + record[4:])
        pair[0].send(record[:2] + b"\x00\x01" + record[4:])
    assert read_all(reader) == [one for one in sent if one.kind == kind]
    assert (reader.invalid, reader.expired) == (0, 0)


def test_damage_is_counted_and_the_next_packet_read(pair: tuple[socket.socket, socket.socket]) -> None:
    reader = FeedReader(pair[1])
    good = packet(1)
    record = good.pack()
    bad = [
        b"",
        b"x",
        record[:32],
        b"\xff" + record[1:],
        record[:1] + b"\x09" + record[2:],
        record + bytes(MAX_RECORD),
    ]
    for one in (*bad, record):
        pair[0].send(one)
    assert reader.read() == good
    assert reader.invalid == len(bad)
    assert not reader.ended


def test_what_is_too_old_is_dropped_where_that_is_asked_for(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sent = [packet(1, age_ns=EXPIRED_NS + 1), packet(2), packet(3, age_ns=EXPIRED_NS // 2)]
    for one in (*sent, *sent):
        pair[0].send(one.pack())
    reader = FeedReader(pair[1], expires_ns=EXPIRED_NS)
    assert [reader.read(), reader.read()] == sent[1:]
    assert [FeedReader(pair[1]).read()] == sent[:1]
    assert reader.expired == 1


def test_the_end_of_the_last_writer_is_the_end_of_the_feed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    reader, second = FeedReader(pair[1]), pair[0].dup()
    pair[0].send(packet(1).pack())
    pair[0].close()
    second.send(packet(2).pack())
    assert [one.media_time for one in read_all(reader)] == [480, 960]
    assert not reader.ended
    second.close()
    assert reader.read() is None
    assert reader.ended


def test_discard_leaves_what_comes_later(pair: tuple[socket.socket, socket.socket]) -> None:
    reader = FeedReader(pair[1])
    for n in range(20):
        pair[0].send(packet(n).pack())
    reader.discard()
    pair[0].send(packet(20).pack())
    assert [one.media_time for one in read_all(reader)] == [20 * 480]
    reader.close()
    reader.close()
    assert reader.fileno() == -1

"""Writing on a stream that is read, read slowly, and never read: bounded, in order, and never half a packet."""

from __future__ import annotations

import itertools
import socket

from rtcserver.transport.frame_writer import MAX_WAITING, UNSENT_BYTES, FrameWriter, prepare, unsent
from rtcserver.transport.framing import LENGTH_BYTES, Deframer
from tests.transport.stream import packets_of, tcp_pair

MEDIA = bytes(range(200))


def writer_to(receive_buffer: int = 0) -> tuple[FrameWriter, socket.socket]:
    ours, theirs = tcp_pair(receive_buffer)
    prepare(ours)
    return FrameWriter(ours), theirs


def test_what_is_written_arrives_in_order() -> None:
    writer, theirs = writer_to()
    sent = [bytes([n]) * (n + 1) for n in range(50)]
    for number, packet in enumerate(sent):
        assert writer.send_media(packet) if number % 2 else writer.send(packet)
    assert packets_of(theirs, len(sent)) == sent
    assert (writer.waiting, writer.dropped, writer.broken) == (0, 0, False)
    writer.close()
    assert theirs.recv(1) == b""


def test_a_reader_that_stops_costs_a_bounded_number_of_bytes_and_gets_whole_packets_only() -> None:
    writer, theirs = writer_to(receive_buffer=4096)
    taken = []
    for number in itertools.count():
        packet = number.to_bytes(4) + MEDIA
        if writer.send_media(packet):
            taken.append(packet)
        elif writer.dropped > 300:
            break
    # Not more than a moment waits in the kernel, however long nobody reads.
    assert unsent(writer.sock) <= UNSENT_BYTES + LENGTH_BYTES + 4 + len(MEDIA)
    assert writer.waiting <= LENGTH_BYTES + 4 + len(MEDIA)
    # Those that were taken, and those alone, arrive as they were; so do the next.
    assert packets_of(theirs, len(taken)) == taken
    assert writer.send_media(b"the next")
    assert packets_of(theirs, 1) == [b"the next"]


def test_answers_wait_where_media_does_not_and_are_bounded_too() -> None:
    writer, theirs = writer_to(receive_buffer=4096)
    taken = []
    for number in itertools.count():
        packet = number.to_bytes(4) + bytes(1000)
        if writer.send(packet):
            taken.append(packet)
        elif writer.dropped > 20:
            break
    assert 0 < writer.waiting <= MAX_WAITING + LENGTH_BYTES
    assert not writer.send_media(MEDIA), "media goes before what waits"
    found: list[bytes] = []
    deframer = Deframer()
    while len(found) < len(taken):
        found += packets_of(theirs, 1, deframer)
        writer.flush()
    assert [packet[:4] for packet in found] == [packet[:4] for packet in taken]


class Narrow:
    """A socket that takes as many bytes as it has room for, as a kernel with little memory does."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""
        self._pair = tcp_pair()
        self.fileno = self._pair[0].fileno

    def send(self, data: bytes, flags: int) -> int:
        if not self.room:
            raise BlockingIOError
        part = data[: self.room]
        self.room -= len(part)
        self.taken += part
        return len(part)


def test_what_the_kernel_took_a_part_of_is_finished_first() -> None:
    narrow = Narrow(room=7)
    writer = FrameWriter(narrow)  # type: ignore[arg-type]  # a socket in all that is used of it
    assert writer.send_media(b"abcdefgh")
    assert narrow.taken == b"\0\x08abcde"
    assert not writer.send_media(b"dropped"), "half a packet is out: nothing else may come between"
    assert writer.send(b"xy")
    assert narrow.taken == b"\0\x08abcde"
    narrow.room = 1
    assert not writer.flush()
    narrow.room = 100
    assert writer.send_media(b"next")
    assert narrow.taken == b"\0\x08abcdefgh\0\x02xy\0\x04next"
    assert writer.dropped == 1


def test_one_that_hands_over_writes_no_more() -> None:
    writer, theirs = writer_to(receive_buffer=4096)
    sent = []
    while not writer.waiting:
        packet = len(sent).to_bytes(4) + bytes(1000)
        assert writer.send(packet)
        sent.append(packet)
    rest = writer.take_rest()
    assert rest
    assert not writer.send(b"too late")
    assert not writer.send_media(b"too late")
    successor = FrameWriter(writer.sock, rest)
    after = b"of the next writer"
    assert successor.send(after)
    found: list[bytes] = []
    deframer = Deframer()
    while len(found) <= len(sent):
        found += packets_of(theirs, 1, deframer)
        successor.flush()
    assert found == [*sent, after]


def test_a_stream_whose_other_end_is_gone_is_broken() -> None:
    writer, theirs = writer_to()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    results = [writer.send_media(MEDIA) for _ in range(5)]
    assert results[-1] is False
    assert writer.broken
    assert not writer.send(b"anything")
    writer.close()
    writer.close()

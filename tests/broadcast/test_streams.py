"""Listeners on TCP: the engine writes whole packets on their streams, last of all, and drops what finds no room."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.streams import STALLED_NS, Streams
from rtcserver.transport.address import Address
from rtcserver.transport.frame_writer import UNSENT_BYTES, prepare
from rtcserver.transport.framing import framed
from tests.broadcast.listening import Listening, is_rtcp, media, parse_rtp
from tests.transport.stream import packets_of, tcp_pair

Make = Callable[..., Listening]


def stream_to(engine: BroadcastEngine, number: int = 7, rest: bytes = b"") -> socket.socket:
    """A stream of the engine's; returns the reading end."""
    ours, theirs = tcp_pair()
    prepare(ours)
    engine.streams.add(number, ours, rest, UNSENT_BYTES)
    return theirs


def on_stream(listener: Listening, number: int = 7) -> Listening:
    return listener.change(destination=None, stream=number)


def heard(listener: Listening, packets: list[bytes]) -> list[int]:
    """Sequence numbers of authentic packets."""
    return [parse_rtp(listener.session.unprotect(data)).sequence for data in packets if not is_rtcp(data)]


def test_a_listener_on_tcp_gets_what_the_others_get(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    theirs = stream_to(engine, rest=framed(b"what the server had not written"))
    near, far = listening(1), on_stream(listening(2))
    engine.add(near.spec)
    engine.add(far.spec)
    for n in range(10):
        engine.send("main", media(n))
    assert [each.payload for each in near.decrypt(near.wait(10))] == [media(n).payload for n in range(10)]
    first, *packets = packets_of(theirs, 11)
    assert first == b"what the server had not written"
    assert heard(far, packets) == list(range(1000, 1010))
    counted = engine.counters(2)
    assert counted is not None
    assert (counted.packets, counted.dropped, counted.errors) == (10, 0, 0)
    assert engine.totals().streams == 1


def test_who_never_reads_loses_whole_packets_and_keeps_nobody_waiting(
    media_socket: socket.socket, listening: Make
) -> None:
    engine = BroadcastEngine([media_socket])
    theirs = stream_to(engine)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    near, far = listening(1), on_stream(listening(2))
    engine.add(near.spec)
    engine.add(far.spec)
    n = 0
    while True:
        engine.send("main", media(n, size=1000))
        n += 1
        near.drain()
        counted = engine.counters(2)
        assert counted is not None
        if counted.dropped >= 50:
            break
    assert counted.packets + counted.dropped == n
    near_counted = engine.counters(1)
    assert near_counted is not None
    assert near_counted.packets == n
    # What it got is authentic, and the numbers of what was dropped are missing: its browser conceals them.
    sequences = heard(far, packets_of(theirs, counted.packets))
    assert len(sequences) == counted.packets
    assert sequences == sorted(sequences)
    engine.send("main", media(n))
    assert heard(far, packets_of(theirs, 1)) == [1000 + n]


def test_a_listener_moves_between_udp_and_tcp_in_one_rtp_stream(
    media_socket: socket.socket, listening: Make
) -> None:
    engine = BroadcastEngine([media_socket])
    theirs = stream_to(engine)
    listener = listening(1)
    engine.add(listener.spec)
    engine.send("main", media(0))
    assert engine.set_address(1, None, None, 0, 7)
    engine.send("main", media(1))
    assert engine.set_address(1, listener.spec.destination, None, 0)
    engine.send("main", media(2))
    by_udp = [packet.sequence for packet in listener.decrypt(listener.wait(2))]
    by_tcp = heard(listener, packets_of(theirs, 1))
    assert (by_udp, by_tcp) == ([1000, 1002], [1001])


def test_the_servers_own_packets_and_the_goodbye_come_in_order(listening: Make) -> None:
    engine = BroadcastEngine()
    theirs = stream_to(engine)
    listener = on_stream(listening(1))
    engine.add(listener.spec)
    assert engine.streams.send(7, b"an answer")
    engine.send("main", media(0))
    assert engine.remove(1)
    assert engine.streams.send(7, b"close_notify")
    assert engine.streams.remove(7)
    first, second, bye, last = packets_of(theirs, 4)
    assert (first, last) == (b"an answer", b"close_notify")
    assert heard(listener, [second]) == [1000]
    assert is_rtcp(bye)
    assert theirs.recv(1) == b"", "the stream is closed"
    assert not engine.streams.remove(7)
    assert not engine.streams.send(7, b"too late")


def test_a_stream_that_is_closed_costs_its_listener_packets_and_nobody_else(
    media_socket: socket.socket, listening: Make
) -> None:
    engine = BroadcastEngine([media_socket])
    stream_to(engine)
    near, far = listening(1), on_stream(listening(2))
    engine.add(near.spec)
    engine.add(far.spec)
    engine.streams.remove(7)
    for n in range(5):
        engine.send("main", media(n))
    assert len(near.wait(5)) == 5
    counted = engine.counters(2)
    assert counted is not None
    assert (counted.packets, counted.dropped) == (0, 5)
    assert engine.report(0, 0, 0)
    assert engine.remove(2)


def test_a_stream_that_is_not_there_is_refused(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    with pytest.raises(ValueError, match="no stream 7"):
        engine.add(on_stream(listening(1)).spec)
    assert len(engine) == 0
    listener = listening(2)
    engine.add(listener.spec)
    with pytest.raises(ValueError, match="no stream 7"):
        engine.set_address(2, None, None, 0, 7)
    engine.send("main", media(0))
    assert len(listener.wait(1)) == 1, "it is still where it was"


def test_a_number_is_used_once_and_what_waits_is_written_when_there_is_room() -> None:
    streams = Streams()
    ours, theirs = tcp_pair()
    prepare(ours)
    streams.add(1, ours, b"", UNSENT_BYTES)
    with pytest.raises(ValueError, match="already there"):
        streams.add(1, ours, b"", UNSENT_BYTES)
    sent = 0
    while not streams.overflows:
        assert streams.send(1, sent.to_bytes(4) + bytes(1200))
        sent += 1
    found = packets_of(theirs, 1)
    assert found[0] == bytes(1204)
    streams.flush(0)
    assert len(streams) == 1
    assert streams.remove(1)


def test_a_socket_of_udp_is_still_needed_for_addresses(listening: Make) -> None:
    engine = BroadcastEngine()
    with pytest.raises(ValueError, match="fd_index is 0"):
        engine.add(listening(1, host="127.0.0.1").change(destination=Address("127.0.0.1", 9)).spec)


class Narrow:
    """A socket that takes as many bytes as it has room for."""

    def __init__(self) -> None:
        self.room = 10
        self.ended = False
        self.fileno = tcp_pair()[0].fileno

    def send(self, data: bytes, flags: int) -> int:
        if not self.room:
            raise BlockingIOError
        taken, self.room = min(self.room, len(data)), max(0, self.room - len(data))
        return taken

    def shutdown(self, how: int) -> None:
        self.ended = True


def test_a_stream_that_takes_nothing_for_long_is_ended_and_one_that_takes_a_little_is_not() -> None:
    streams, narrow = Streams(), Narrow()
    streams.add(1, narrow, b"", UNSENT_BYTES)  # type: ignore[arg-type]  # a socket in all that is used of it
    assert streams.send(1, bytes(1000))
    streams.flush(0)
    narrow.room = 1
    streams.flush(STALLED_NS)
    streams.flush(2 * STALLED_NS)
    assert (streams.stalled, narrow.ended) == (0, False)
    streams.flush(2 * STALLED_NS + 1)
    # Whoever reads from it, the server process, is told by its end.
    assert (streams.stalled, narrow.ended) == (1, True)
    streams.flush(9 * STALLED_NS)
    assert streams.stalled == 1
    assert not streams.send(1, b"too late") or streams.overflows == 1

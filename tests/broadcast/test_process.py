"""What the broadcast process makes of its feeds, over its sockets and without the client."""

from __future__ import annotations

import itertools
import signal
import socket
import time
from collections.abc import Callable

from rtcserver.broadcast import control
from rtcserver.broadcast.listener import redundant_kind
from rtcserver.clock import monotonic_ns
from rtcserver.encode.opus import OPUS
from tests.broadcast.child import FRAME, Child, packet
from tests.broadcast.listening import Listening
from tests.encode.red_reader import unpack

Make = Callable[..., Listening]


def test_what_is_fed_is_heard_and_timed(child: Child, feed: socket.socket, listening: Make) -> None:
    ears = [listening(n) for n in range(3)]
    for ear in ears:
        child.tell(control.AddListener(ear.spec))
    child.report()
    sent = [packet(n) for n in range(20)]
    for one in sent:
        feed.send(one.pack())
    for ear in ears:
        got = ear.decrypt(ear.wait(20))
        assert [one.payload for one in got][:20] == [one.payload for one in sent]
    report = child.report()
    assert report.totals.packets == 60 + 3 * report.rooms["main"].silent
    assert report.rooms["main"].listeners == 3
    # Only what was captured is timed; silence has no one to be late for.
    assert sum(report.late_counts) == 20
    assert report.late_max_ns > 0
    child.tell(control.StatsRequest(99, (0, 1, 77)))
    # The answer to the request, between those that come by themselves.
    rows = {row.listener_id: row for row in child.receive_a(control.ListenerStats).rows}
    while set(rows) != {0, 1}:
        rows = {row.listener_id: row for row in child.receive_a(control.ListenerStats).rows}
    assert all(row.packets >= 20 for row in rows.values())


def test_each_gets_as_many_earlier_frames_as_it_was_given(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    plain, one, two = (listening(n) for n in range(3))
    one.change(kind=redundant_kind(1, 111), payload_type=63)
    two.change(kind=redundant_kind(2, 100), payload_type=120)
    for ear in (plain, one, two):
        child.tell(control.AddListener(ear.spec))
    child.report()
    sent = [packet(n) for n in range(10)]
    for packed in sent:
        feed.send(packed.pack())
    got = {ear: ear.decrypt(ear.wait(10))[:10] for ear in (plain, one, two)}
    assert [rtp.payload for rtp in got[plain]] == [packed.payload for packed in sent]
    for ear, level, opus, red in ((one, 1, 111, 63), (two, 2, 100, 120)):
        for n, rtp in enumerate(got[ear]):
            assert rtp.payload_type == red
            newest = (rtp.timestamp - ear.spec.timestamp_offset) % 2**32
            assert unpack(rtp.payload, newest) == [
                (opus, earlier.media_time, earlier.payload) for earlier in sent[max(0, n - level) : n + 1]
            ]
    # Without a hole in the stream, and with each packet once, the level changes.
    child.tell(control.SetKind(1, redundant_kind(0, 111), 111))
    child.report()
    feed.send(packet(10).pack())
    rtp = one.decrypt(one.wait(1))[0]
    assert (rtp.payload, rtp.payload_type) == (packet(10).payload, 111)
    assert rtp.sequence == got[one][-1].sequence + 1
    assert (rtp.timestamp - got[one][-1].timestamp) % 2**32 == FRAME


def test_a_stalled_feed_becomes_silence_and_comes_back(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ear = listening(1)
    child.tell(control.AddListener(ear.spec))
    child.report()
    feed.send(packet(0).pack())
    got = ear.decrypt(ear.wait(30))
    assert [one.payload for one in got[1:]] == [OPUS.silence(FRAME)] * (len(got) - 1)
    steps = {(after.timestamp - before.timestamp) % 2**32 for before, after in itertools.pairwise(got)}
    assert steps == {FRAME}
    # A packet of what silence has covered already is stale, one of later is heard at once.
    feed.send(packet(5).pack())
    feed.send(packet(1000).pack())
    while got[-1].payload != packet(1000).payload:
        got += ear.decrypt(ear.wait(1))
    assert packet(5).payload not in [one.payload for one in got]
    assert (got[-1].timestamp - got[0].timestamp) % 2**32 == 1000 * FRAME
    room = child.report().rooms["main"]
    assert room.stale == 1
    assert room.silent >= [one.payload for one in got].count(OPUS.silence(FRAME))


def test_a_feed_that_ends_becomes_silence_and_can_be_replaced(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ear = listening(1)
    child.tell(control.AddListener(ear.spec))
    child.report()
    feed.send(packet(0).pack())
    feed.close()
    got = ear.decrypt(ear.wait(10))
    assert got[-1].payload == OPUS.silence(FRAME)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        # What piled up while nobody read it is not played late.
        ours.send(packet(50_000).pack())
        child.tell(control.AddFeed("main", FRAME, 90_000 * FRAME, monotonic_ns()), theirs)
        child.report()
        ours.send(packet(100_000).pack())
        while got[-1].payload != packet(100_000).payload:
            got += ear.decrypt(ear.wait(1))
    assert packet(50_000).payload not in [one.payload for one in got]
    assert [one.sequence for one in got] == list(range(1000, 1000 + len(got)))
    child.tell(control.RemoveFeed("main"))
    report = child.report()
    assert report.rooms == {}
    assert report.totals.listeners == 1


def test_bad_records_and_old_packets_are_counted(child: Child, feed: socket.socket, listening: Make) -> None:
    ear = listening(1)
    child.tell(control.AddListener(ear.spec))
    child.report()
    for record in (b"x", bytes(100), packet(0, age_ns=10**9).pack(), packet(1).pack()):
        feed.send(record)
    assert ear.decrypt(ear.wait(1))[0].payload == packet(1).payload
    room = child.report().rooms["main"]
    assert (room.invalid, room.expired) == (2, 1)


def test_a_process_that_was_stopped_goes_on_with_what_is_fresh(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ear = listening(1)
    child.tell(control.AddListener(ear.spec))
    child.report()
    child.process.send_signal(signal.SIGSTOP)
    old = [packet(n, age_ns=10**9) for n in range(40)]
    fresh = [packet(n) for n in range(40, 44)]
    for one in old + fresh:
        feed.send(one.pack())
    # Fresh must be fresh when it is read, however busy the machine is.
    child.process.send_signal(signal.SIGCONT)
    got = [one.payload for one in ear.decrypt(ear.wait(1))]
    # The process reads what is fresh one by one, and its report may come before the last of them.
    for _ in range(100):
        room = child.report().rooms["main"]
        got += [one.payload for one in ear.rtp()]
        heard = [one.payload for one in fresh if one.payload in got]
        if room.expired + len(heard) == 40 + 4:
            break
        time.sleep(0.01)
    assert room.expired + len(heard) == 40 + 4
    assert got[: len(heard)] == heard
    assert not {one.payload for one in old} & set(got)

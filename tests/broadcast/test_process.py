"""The broadcast process over its sockets, without the client."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket

from rtcserver.broadcast import control
from rtcserver.broadcast.control import Message
from rtcserver.broadcast.listener import redundant_kind
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.opus import OPUS
from rtcserver.encode.packet import EncodedPacket
from tests.broadcast.listening import Listening, is_rtcp
from tests.encode.red_reader import unpack

Make = Callable[..., Listening]
M = TypeVar("M")
ROOT = Path(__file__).parents[2]
FRAME = 480


class Child:
    """A running broadcast process and the server's end of its control socket."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtcserver.broadcast.process", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.sock.settimeout(20)
        self.token = 0
        assert isinstance(self.receive(), control.Ready)

    def receive(self) -> Message:
        return control.unpack(self.sock.recv(control.MAX_MESSAGE))

    def receive_a(self, kind: type[M]) -> M:
        while True:
            message = self.receive()
            if isinstance(message, kind):
                return message

    def tell(self, message: Message, *sockets: socket.socket) -> None:
        socket.send_fds(self.sock, [control.pack(message)], [sock.fileno() for sock in sockets])

    def report(self) -> control.BroadcastReport:
        """A report from after everything that it was told."""
        self.token += 1
        self.tell(control.StatsRequest(self.token))
        while (report := self.receive_a(control.BroadcastReport)).token != self.token:
            pass
        return report

    def end(self) -> int:
        self.sock.close()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            with self.process.stderr as stream:
                self.errors = stream.read().decode()


@pytest.fixture
def child() -> Iterator[Child]:
    process = Child()
    yield process
    assert process.end() in (0, -signal.SIGKILL), process.errors
    assert "Traceback" not in process.errors, process.errors


@pytest.fixture
def feed(child: Child, media_socket: socket.socket) -> Iterator[socket.socket]:
    """The writing half of room main's feed; the child has the media socket as number 0."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        child.tell(control.AddSockets(1), media_socket)
        # Far enough in the future for silence to stay away until a test wants it.
        child.tell(control.AddFeed("main", FRAME, 0, monotonic_ns() + 3600 * 10**9), theirs)
        theirs.close()
        yield ours


def packet(n: int, age_ns: int = 0) -> EncodedPacket:
    return EncodedPacket(n * FRAME, FRAME, monotonic_ns() - age_ns, 1, n.to_bytes(4) + bytes(60))


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
    room = child.report().rooms["main"]
    got += [one.payload for one in ear.rtp()]
    heard = [one.payload for one in fresh if one.payload in got]
    assert room.expired == 40 + 4 - len(heard)
    assert got[: len(heard)] == heard
    assert not {one.payload for one in old} & set(got)


def test_bad_messages_change_nothing(child: Child, feed: socket.socket, listening: Make) -> None:
    ear, copy = listening(1), listening(2)
    child.tell(control.AddListener(ear.spec))
    for junk in (b"{", b'{"type":"nonsense"}', control.pack(control.Refused(1, "wrong way")), b"\0" * 60_000):
        child.sock.send(junk)
    spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with spare:
        # Descriptors that no message asked for, and messages without those that they need.
        child.tell(control.RemoveFeed("nobody"), spare, spare)
        child.tell(control.AddSockets(2), spare)
        child.tell(control.AddFeed("other", FRAME, 0, 0))
    child.report()
    descriptors = len(os.listdir(f"/proc/{child.process.pid}/fd"))  # noqa: PTH208
    for _ in range(5):
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as spare:
            child.tell(control.RemoveFeed("nobody"), spare)
    child.tell(control.AddListener(copy.change(master=ear.spec.master).spec))
    refused = child.receive_a(control.Refused)
    assert refused.listener_id == 2
    assert ear.spec.master.hex() not in refused.reason
    for message in (
        control.Resend(77, (1,)),
        control.RemoveListener(77),
        control.SetAddress(77, ear.spec.destination),
        control.SetKind(77, "pcm", 111),
    ):
        child.tell(message)
    report = child.report()
    assert report.unknown == 4
    assert report.totals.listeners == 1
    assert set(report.rooms) == {"main"}
    assert len(os.listdir(f"/proc/{child.process.pid}/fd")) == descriptors  # noqa: PTH208
    feed.send(packet(0).pack())
    assert ear.decrypt(ear.wait(1))[0].payload == packet(0).payload


def test_a_listener_is_added_before_losses_are_mended(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    asking, newcomer = listening(1), listening(2)
    child.tell(control.AddListener(asking.spec))
    child.report()
    child.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    os.kill(child.process.pid, signal.SIGSTOP)
    for _ in range(25):
        child.tell(control.Resend(1, tuple(range(40_000, 40_000 + control.MAX_NACKS))))
    child.tell(control.AddListener(newcomer.spec))
    child.tell(control.StatsRequest(77))
    os.kill(child.process.pid, signal.SIGCONT)
    while (report := child.receive_a(control.BroadcastReport)).token != 77:
        pass
    assert report.totals.listeners == 2
    assert report.totals.refused_nacks < 25 * control.MAX_NACKS, "all were looked up first"
    while report.totals.refused_nacks < 25 * control.MAX_NACKS:  # none is forgotten
        report = child.report()
    assert report.dropped_resends == 0


def test_media_goes_on_through_a_flood_of_control_messages(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ear, crowd = listening(1), listening(2)
    child.tell(control.AddListener(ear.spec))
    child.report()
    sent, joined = [], 0
    for n in range(30):
        for _ in range(20):
            joined += 1
            child.tell(
                control.AddListener(crowd.change(listener_id=100 + joined, master=joined.to_bytes(28)).spec)
            )
        sent.append(packet(n))
        feed.send(sent[-1].pack())
    got: list[Any] = []
    give_up_ns = monotonic_ns() + 10 * NS
    while len(got) < 30:
        got += [one for one in ear.decrypt(ear.wait(1)) if one.payload != OPUS.silence(FRAME)]
        assert monotonic_ns() < give_up_ns, f"{len(got)} of 30 packets: {child.report().rooms}"
    assert [one.payload for one in got] == [one.payload for one in sent]
    assert child.report().totals.listeners == 1 + joined


def test_everyone_gets_reports_and_counters_and_a_bye(
    child: Child, feed: socket.socket, listening: Make
) -> None:
    ears = [listening(n) for n in range(5)]
    for ear in ears:
        child.tell(control.AddListener(ear.spec))
    child.report()
    feed.send(packet(0).pack())
    seen: set[int] = set()
    while seen != {0, 1, 2, 3, 4}:
        seen |= {row.listener_id for row in child.receive_a(control.ListenerStats).rows if row.packets}
    child.tell(control.Stop())
    assert child.process.wait(10) == 0
    for ear in ears:
        compounds = [RtcpPacket.parse(ear.session.unprotect_rtcp(d)) for d in ear.drain() if is_rtcp(d)]
        assert len(compounds) >= 2
        assert isinstance(compounds[-1][-1], RtcpByePacket)


def test_it_exits_when_the_control_socket_closes(
    child: Child, feed: socket.socket, media_socket: socket.socket, listening: Make
) -> None:
    child.tell(control.AddListener(listening(1).spec))
    child.report()
    address = media_socket.getsockname()
    media_socket.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        with pytest.raises(OSError, match="in use"):
            again.bind(address)
        child.sock.close()
        assert child.process.wait(10) == 0
        again.bind(address)


SERVER = """
import asyncio, socket, sys
from rtcserver.broadcast.supervisor import BroadcastSupervisor

async def main():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    broadcast = BroadcastSupervisor([sock])
    await broadcast.start()
    await broadcast.client.fetch_stats()
    print(broadcast.pid, sock.getsockname()[1], flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_a_killed_server_leaves_no_child_and_the_port_free() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        pid, port = map(int, server.stdout.readline().split())
        assert running(pid)
        watch = os.pidfd_open(pid)
        server.kill()
    # The end of the child, not a time, is what is waited for.
    assert select.select([watch], [], [], 10)[0]
    os.close(watch)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
    assert not running(pid)


def running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped by its new parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_it_imports_nothing_of_the_web() -> None:
    code = "import sys, rtcserver.broadcast.process; print(*sys.modules)"
    modules = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    assert "numpy" in modules
    assert not modules & {
        "aiohttp",
        "aiortc",
        "aioice",
        "asyncio",
        "av",
        "cryptography",
        "opuslib",
        "pydantic",
        "sounddevice",
        "ssl",
    }


def test_ctrl_c_is_the_servers_to_handle(child: Child) -> None:
    child.process.send_signal(signal.SIGINT)
    assert child.report().totals.listeners == 0

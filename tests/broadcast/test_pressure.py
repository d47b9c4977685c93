"""Full sockets: what cannot be sent is dropped and counted, and nobody waits."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from rtcserver.broadcast.batch import BUDGET_NS, SendBudget
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.clock import monotonic_ns
from tests.broadcast.listening import GCM, media, parse_rtp

LISTENERS = 40
BATCHED = pytest.mark.parametrize("batched", [True, False], ids=["sendmmsg", "sendmsg"])


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket with a queue that fills: loopback UDP never pushes back, a Unix pair does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        theirs.setblocking(False)
        yield ours, theirs


def fill_room(engine: BroadcastEngine, count: int = LISTENERS) -> None:
    for n in range(count):
        engine.add(
            ListenerSpec(
                listener_id=n,
                room="main",
                destination=None,
                profile=GCM,
                master=os.urandom(28),
                ssrc=n,
                payload_type=111,
                first_sequence=0,
                timestamp_offset=0,
                cname="room",
            )
        )


def received(sock: socket.socket) -> list[int]:
    """SSRCs of the queued datagrams, in order."""
    out = []
    while True:
        try:
            out.append(parse_rtp(sock.recv(2048)).ssrc)
        except BlockingIOError:
            return out


@BATCHED
def test_what_does_not_fit_is_dropped_and_counted(
    pair: tuple[socket.socket, socket.socket], batched: bool
) -> None:
    ours, theirs = pair
    engine = BroadcastEngine([ours], batched=batched)
    fill_room(engine)
    engine.send("main", media(0))
    arrived = received(theirs)
    assert 0 < len(arrived) < LISTENERS
    assert arrived == list(range(len(arrived)))
    totals = engine.totals()
    assert (totals.packets, totals.dropped) == (len(arrived), LISTENERS - len(arrived))
    assert totals.octets == len(arrived) * 120
    assert totals.errors == 0


@BATCHED
def test_it_is_not_always_the_same_listeners_that_lose(
    pair: tuple[socket.socket, socket.socket], batched: bool
) -> None:
    ours, theirs = pair
    engine = BroadcastEngine([ours], batched=batched)
    fill_room(engine)
    heard: set[int] = set()
    per_packet = 0
    for n in range(LISTENERS):
        engine.send("main", media(n))
        arrived = received(theirs)
        assert len(set(arrived)) == len(arrived)
        per_packet = max(per_packet, len(arrived))
        heard.update(arrived)
    assert per_packet < LISTENERS
    assert heard == set(range(LISTENERS))
    totals = engine.totals()
    assert totals.packets + totals.dropped == LISTENERS * LISTENERS


@BATCHED
def test_a_full_socket_does_not_hold_the_engine_up(
    pair: tuple[socket.socket, socket.socket], batched: bool
) -> None:
    ours, _ = pair
    engine = BroadcastEngine([ours], batched=batched)
    fill_room(engine)
    engine.send("main", media(0))
    # The least of several, because a busy machine may take the processor away from the test itself.
    durations = []
    for n in range(1, 20):
        began = monotonic_ns()
        engine.send("main", media(n))
        durations.append(monotonic_ns() - began)
    assert engine.totals().dropped >= 19 * LISTENERS
    # The waits are as long as promised, plus the resolution of the last one.
    assert min(durations) < BUDGET_NS + 3_000_000


def test_patience_is_for_all_sockets_together(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    budget = SendBudget(0)
    assert not budget.wait(ours.fileno(), 11)
    lasting = SendBudget(10**12)
    assert lasting.wait(ours.fileno(), 11)


@BATCHED
def test_room_that_appears_within_the_patience_is_used(batched: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        engine = BroadcastEngine([ours], batched=batched)
        fill_room(engine)
        stop = threading.Event()

        def drain() -> None:
            theirs.settimeout(0.05)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    theirs.recv(2048)

        reader = threading.Thread(target=drain)
        reader.start()
        try:
            # The socket holds far fewer datagrams than there are listeners; whole packets pass all the
            # same. A busy machine may take the reader off its processor, so one is enough.
            for n in range(500):
                before = engine.totals().dropped
                engine.send("main", media(n))
                if engine.totals().dropped == before:
                    break
            assert engine.totals().dropped == before
        finally:
            stop.set()
            reader.join()

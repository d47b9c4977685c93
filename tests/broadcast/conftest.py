"""Sockets, listeners and broadcast processes that are closed after each test."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from rtcserver.broadcast import control
from rtcserver.clock import monotonic_ns
from tests.broadcast.child import FRAME, Child
from tests.broadcast.listening import Listening


@pytest.fixture
def media_socket() -> Iterator[socket.socket]:
    """The server's UDP socket, non-blocking as an event loop makes it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def listening() -> Iterator[Callable[..., Listening]]:
    """Makes listeners."""
    made: list[Listening] = []

    def make(listener_id: int = 1, **values: object) -> Listening:
        made.append(Listening(listener_id, **values))  # type: ignore[arg-type]  # passed on as they are
        return made[-1]

    yield make
    for one in made:
        one.sock.close()


@pytest.fixture
def child() -> Iterator[Child]:
    """A broadcast process that must end well, without a traceback."""
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

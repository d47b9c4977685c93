"""Sockets and listeners that are closed after each test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

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

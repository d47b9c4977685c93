"""Messages that wait for a child: in order, bounded, with descriptors that the caller may have closed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import psutil
import pytest

from rtcserver.children.outbox import Outbox


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(the server's end, the child's end), both non-blocking."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def open_files() -> int:
    """File descriptors of this process."""
    return int(psutil.Process().num_fds())


def fill(outbox: Outbox, outstanding: int) -> list[bytes]:
    """Post until `outstanding` messages must have waited: the socket takes fewer than 10,000 of 2,000 bytes."""
    posted = []
    while len(outbox._waiting) < outstanding:
        posted.append(len(posted).to_bytes(4) + bytes(1996))
        assert outbox.post(posted[-1])
        assert len(posted) < 10_000
    return posted


async def read(sock: socket.socket, count: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        return [await loop.sock_recv(sock, 4096) for _ in range(count)]


async def test_what_had_to_wait_arrives_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(pair[0], 100, pytest.fail)
    posted = fill(outbox, 100)
    assert not outbox.post(b"one too many")
    assert await read(pair[1], len(posted)) == posted
    assert outbox.post(b"there is room again")
    assert await read(pair[1], 1) == [b"there is room again"]
    outbox.close()


async def test_without_a_limit_nothing_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(pair[0], 0, pytest.fail)
    count = 0
    while outbox.post(bytes(2000)):
        count += 1
    assert len(await read(pair[1], count)) == count


async def test_descriptors_travel_with_a_message_that_waited(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    outbox = Outbox(pair[0], 100, pytest.fail)
    posted = fill(outbox, 1)
    reading, writing = os.pipe()
    assert outbox.post(b"with one", [writing])
    os.close(writing)
    await read(pair[1], len(posted))
    await asyncio.sleep(0)
    data, fds, _, _ = socket.recv_fds(pair[1], 100, 2)
    assert (data, len(fds)) == (b"with one", 1)
    os.write(fds[0], b"alive")
    os.close(fds[0])
    assert os.read(reading, 100) == b"alive"
    assert os.read(reading, 100) == b"", "nobody else holds the writing end"
    os.close(reading)
    outbox.close()


async def test_the_end_of_the_child_is_told_and_nothing_is_kept(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    broken: list[bool] = []
    outbox = Outbox(pair[0], 100, lambda: broken.append(True))
    fill(outbox, 3)
    before = open_files()
    outbox.post(b"with one", [pair[0].fileno()])
    assert open_files() == before + 1
    pair[1].close()
    async with asyncio.timeout(5):
        while not broken:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert not outbox.post(b"more")
    assert broken == [True]
    assert open_files() == before - 1, "the child's end and the copy are closed"
    outbox.close()

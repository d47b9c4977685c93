"""A feed on an event loop: packets in order, a slow reader loses the oldest, ends are told once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.subscription import RECORDS_A_TURN, FeedWatch, Subscription


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(writing, reading) halves."""
    writing, reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with writing, reading:
        yield writing, reading


def packet(n: int) -> EncodedPacket:
    return EncodedPacket(n * 480, 480, 1, 1, bytes(20))


async def test_a_watch_hands_on_every_packet_and_tells_the_end_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    got: list[int] = []
    over = asyncio.Event()
    ends = 0

    def on_end() -> None:
        nonlocal ends
        ends += 1
        over.set()

    watch = FeedWatch(FeedReader(pair[1]), lambda one, _: got.append(one.media_time), on_end)
    watch.start()
    for n in range(2 * RECORDS_A_TURN + 1):
        pair[0].send(packet(n).pack())
    pair[0].close()
    await asyncio.wait_for(over.wait(), 5)
    watch.close()
    assert got == [n * 480 for n in range(2 * RECORDS_A_TURN + 1)]
    assert ends == 1
    assert watch.reader.fileno() == -1


async def test_a_watch_that_a_packet_closes_reads_no_more(pair: tuple[socket.socket, socket.socket]) -> None:
    got: list[EncodedPacket] = []
    closed = asyncio.Event()

    def on_packet(one: EncodedPacket, read_ns: int) -> None:
        got.append(one)
        watch.close()
        closed.set()

    watch = FeedWatch(FeedReader(pair[1]), on_packet)
    for n in range(3):
        pair[0].send(packet(n).pack())
    watch.start()
    await asyncio.wait_for(closed.wait(), 5)
    assert got == [packet(0)]
    with pytest.raises(ConnectionError):
        pair[0].send(packet(3).pack())


async def test_a_subscription_waits_and_ends() -> None:
    closed: list[bool] = []
    subscription: Subscription[int] = Subscription(4, lambda: closed.append(True))
    loop = asyncio.get_running_loop()
    loop.call_soon(subscription.offer, 1)
    loop.call_later(0.01, subscription.offer, 2)
    loop.call_later(0.02, subscription.close)
    loop.call_later(0.03, subscription.offer, 3)
    assert [item async for item in subscription] == [1, 2]
    subscription.close()
    assert closed == [True]


async def test_what_waits_when_it_is_closed_may_still_be_taken() -> None:
    with Subscription[int](4) as subscription:
        subscription.offer(1)
    assert subscription.closed
    assert [item async for item in subscription] == [1]


async def test_a_slow_reader_loses_the_oldest_counted() -> None:
    subscription: Subscription[int] = Subscription(3)
    for n in range(10):
        subscription.offer(n)
    assert (len(subscription), subscription.dropped) == (3, 7)
    assert [subscription.get_nowait() for _ in range(4)] == [7, 8, 9, None]


async def test_a_reader_that_is_cancelled_may_come_back() -> None:
    subscription: Subscription[int] = Subscription(3)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(subscription), 0.01)
    subscription.offer(1)
    assert await anext(subscription) == 1


def test_no_room_for_any_item_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        Subscription(0)

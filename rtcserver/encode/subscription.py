"""A feed on an event loop: `FeedWatch` calls back for each packet, `Subscription` queues for whoever waits.

Both are bounded, and neither ever makes the instrument wait: its process writes without blocking, drops what
finds a full socket, and counts it (``feed_dropped`` in its status).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import EncodedPacket

RECORDS_A_TURN = 64
"""Packets read before the event loop gets its turn again."""
DEFAULT_LIMIT = 256
"""Items that a subscription keeps: 0.7 s of PCM blocks of 128 frames, 2.6 s of packets of 10 ms."""

T = TypeVar("T")


class FeedWatch:
    """Reads a feed on the running event loop from `start` on.

    on_packet: called for each packet, with the monotonic ns at which it was read. on_end: called once, when
    the feed's last writer has closed it; the feed is closed already then. `close` calls neither.
    """

    def __init__(
        self,
        reader: FeedReader,
        on_packet: Callable[[EncodedPacket, int], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.reader = reader
        self._on_packet = on_packet
        self._on_end = on_end
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to read."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.reader.fileno(), self._on_readable)

    def close(self) -> None:
        """Stop reading and close the feed. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.remove_reader(self.reader.fileno())
        self.reader.close()

    def _on_readable(self) -> None:
        reader = self.reader
        for _ in range(RECORDS_A_TURN):
            packet = reader.read()
            if packet is None:
                if reader.ended:
                    self.close()
                    self._on_end()
                return
            self._on_packet(packet, reader.read_ns)
            if self._loop is None:
                # Closed by what the packet caused.
                return


class Subscription(Generic[T]):
    """What one reader has not taken yet: an asynchronous iterator, and a context manager that closes it.

    ``async for`` waits for items and ends when the subscription is closed, by its reader or because the room
    is. `get_nowait` does not wait. A reader that falls behind by `limit` items loses the oldest, counted in
    `dropped`; media times show where. One reader at a time, on the event loop that it was made on.
    """

    def __init__(self, limit: int, on_close: Callable[[], None] = lambda: None) -> None:
        if limit < 1:
            raise ValueError(f"limit is {limit}: a subscription keeps at least one item")
        self.dropped = 0
        self.closed = False
        self._on_close = on_close
        self._items: deque[T] = deque()
        self._limit = limit
        self._waiting: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    def offer(self, item: T) -> None:
        """For whoever publishes: keep an item for the reader. Never waits; nothing after `close`."""
        if self.closed:
            return
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._wake()

    def get_nowait(self) -> T | None:
        """The oldest item, or None if there is none at the moment."""
        return self._items.popleft() if self._items else None

    def close(self) -> None:
        """End it: what waits may still be taken, and nothing comes any more. Idempotent."""
        if not self.closed:
            self.closed = True
            self._on_close()
            self._wake()

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self.closed:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._items.popleft()

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

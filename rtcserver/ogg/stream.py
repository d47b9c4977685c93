"""A room's Ogg stream while somebody reads it: packets in from the room's feed, pages out to all readers. Loop-bound.

Nothing of this is on the way of other listeners' sound, which runs in processes of its own; what it must not hold up are the
server's other requests and performers' notes. So the feed is looked at a few times a second, whatever has come meanwhile
makes pages, several pages are written at once, and after some readers the event loop gets its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.codec import DEFAULT
from rtcserver.encode.continuity import Continuity
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_CODED
from rtcserver.encode.timeline import Anchor
from rtcserver.ogg.link import Chain
from rtcserver.ogg.reader import FAILED, STOPPED, Reader, chunk_of
from rtcserver.tasks import cancelled

log = logging.getLogger(__name__)

TICK_S = 0.1
"""Between two looks at the feed, which holds a second at least."""
PAGES_A_WRITE = 5
"""Pages that are written together: a write costs nearly the same for one."""
BURST_PAGES = 14
"""Pages that a reader gets at once when it joins: what players wait for before they play."""
LINGER_NS = 5 * NS
"""How long the stream goes on without a reader: players connect twice, to look first."""
YOUNG_NS = 2 * NS
"""How long a stream is so young that each page is written at once."""
READERS_A_TURN = 16
"""Readers that are written to before the event loop gets its turn."""

COUNTED = (
    "joined",
    "pages",
    "links",
    "silent",
    "ended_closed",
    "ended_slow",
    "ended_stopped",
    "ended_failed",
)
"""Events that are counted from the start, with zeros."""


class Sound(Protocol):
    """What is read: `rtcserver.instrument.supervisor.InstrumentSupervisor`."""

    @property
    def anchor(self) -> Anchor: ...

    def open_feed(self, *, packets: bool = True, blocks: bool = False) -> socket.socket: ...

    def close_feed(self, feed: socket.socket) -> None: ...


class RoomStream:
    """One room's stream. frame_samples: of the room's packets. comments: what the stream is called at this moment.

    readers: by the order in which they came, those that wait for their first page too. counters: see `docs/metrics.md`,
    ``rtcserver_live_events_total``.
    """

    def __init__(self, sound: Sound, frame_samples: int, comments: Callable[[], Mapping[str, str]]) -> None:
        self._sound = sound
        self._frame = frame_samples
        self._comments = comments
        self.readers: list[Reader] = []
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self._chain: Chain | None = None
        self._head = b""
        """The header pages of the link that the readers are in."""
        self._gone_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._fresh: list[bytes] = []
        """Pages that nobody has yet."""
        self._recent: deque[bytes] = deque(maxlen=BURST_PAGES)
        """The last pages of the present link that the readers have."""

    def add(self, reader: Reader) -> bytes:
        """One more reader; the header pages that it needs first. `begin` comes next."""
        self.readers.append(reader)
        self.counters["joined"] += 1
        if self._chain is None:
            self._chain = chain = self._new_chain()
            self._head = chain.head
            self._task = asyncio.get_running_loop().create_task(self._run(chain))
        return self._head

    def begin(self, reader: Reader, transport: asyncio.Transport, chunked: bool, head: bytes) -> None:
        """Let a reader have the pages from now on, and the last ones. head: the header pages that it has."""
        if self._chain is None or reader.over.done():
            return
        reader.begin(transport, chunked)
        renewed = b"" if head == self._head else self._head
        if last := renewed + b"".join(self._recent):
            reader.give(last, chunk_of(last), monotonic_ns())

    def remove(self, reader: Reader, reason: str) -> None:
        """A reader is over."""
        with contextlib.suppress(ValueError):
            self.readers.remove(reader)
        self.counters[f"ended_{reason}"] += 1
        self._gone_bytes += reader.bytes

    def counted(self) -> Mapping[str, int]:
        """The counters at this moment."""
        return {**self.counters, "bytes": self._gone_bytes + sum(reader.bytes for reader in self.readers)}

    async def close(self) -> None:
        """End the stream for everyone, with its last page. Idempotent."""
        task, self._task = self._task, None
        await cancelled(task)
        if self._chain is not None:
            last = b"".join((*self._fresh, self._chain.farewell()))
            for reader in tuple(self.readers):
                reader.give(last, chunk_of(last), monotonic_ns())
        for reader in tuple(self.readers):
            reader.end(STOPPED)
        self._chain = None

    def _new_chain(self) -> Chain:
        self._fresh.clear()
        self._recent.clear()
        self.counters["links"] += 1
        silence = DEFAULT.silence(self._frame)
        return Chain(self._frame, silence, lambda: secrets.randbits(32), self._comments())

    async def _run(self, chain: Chain) -> None:
        reason = STOPPED
        try:
            feed = self._sound.open_feed()
            try:
                await self._go_on(chain, FeedReader(feed, (KIND_CODED,)))
            finally:
                self._sound.close_feed(feed)
        except Exception:
            log.exception("the Ogg stream failed; its readers are sent away")
            reason = FAILED
        self._chain, self._task = None, None
        for reader in tuple(self.readers):
            reader.end(reason)

    async def _go_on(self, chain: Chain, source: FeedReader) -> None:
        """Until nobody reads any more, or the room is closed."""
        continuity = Continuity(DEFAULT, self._frame)
        anchor, now_ns = self._sound.anchor, monotonic_ns()
        continuity.start(anchor.media_time, anchor.at_ns, now_ns)
        began_ns = used_ns = now_ns
        while not source.ended and now_ns - used_ns < LINGER_NS:
            await asyncio.sleep(TICK_S)
            now_ns = monotonic_ns()
            if self.readers:
                used_ns = now_ns
            chain.retitle(self._comments())
            filled, links = chain.filled + continuity.silent, chain.links
            self._fresh += self._pages(chain, source, continuity, now_ns)
            self.counters["silent"] += chain.filled + continuity.silent - filled
            self.counters["links"] += chain.links - links
            # A stream that has just begun has no last pages to hand out: each page goes at once.
            young = now_ns - began_ns < YOUNG_NS
            if len(self._fresh) >= (1 if young else PAGES_A_WRITE):
                await self._hand_out(chain)

    def _pages(
        self, chain: Chain, source: FeedReader, continuity: Continuity, now_ns: int
    ) -> Iterator[bytes]:
        while (packet := source.read()) is not None:
            for real in continuity.push(packet, now_ns):
                yield from chain.push(real)
        # What it leaves out, as it makes up for a moment only, the chain fills.
        for silent in continuity.poll(now_ns):
            yield from chain.push(silent)

    async def _hand_out(self, chain: Chain) -> None:
        pages, self._fresh = self._fresh, []
        if chain.head != self._head:
            # Whoever joins behind this point needs nothing of the link before.
            self._head = chain.head
            self._recent.clear()
            self._recent.extend(pages[pages.index(chain.head) + 1 :])
        else:
            self._recent.extend(pages)
        self.counters["pages"] += len(pages)
        data = b"".join(pages)
        chunk, now_ns = chunk_of(data), monotonic_ns()
        # Who begins while the event loop has its turn gets these pages with the last ones.
        for number, reader in enumerate([reader for reader in self.readers if reader.begun]):
            if number % READERS_A_TURN == READERS_A_TURN - 1:
                await asyncio.sleep(0)
            reader.give(data, chunk, now_ns)

"""The server's side of an instrument process.

Progress is device frames that advance with the monotonic clock. The feeds outlive the process: their
writing halves stay open here and are handed to each new one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from rtcserver.children.supervised import SupervisedProcess
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig, to_dict
from rtcserver.encode.encoding import OWN, Encoding, encodings_of
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_CODED, KIND_PCM, EncodedPacket
from rtcserver.encode.subscription import DEFAULT_LIMIT, FeedWatch, Subscription
from rtcserver.encode.timeline import Anchor
from rtcserver.errors import ProcessError
from rtcserver.instrument.control import InstrumentStatus

log = logging.getLogger(__name__)

PROGRESS_NS = 3 * NS
"""A live process whose device frames stand still for so long is killed."""
FEED_BUFFER = 256 * 1024
MIDI_EVENTS = 400
"""Events in one control message."""


class InstrumentSupervisor(SupervisedProcess):
    """One room's instrument process. All methods on the event loop that `start` ran on."""

    def __init__(self, room: str, config: InstrumentConfig) -> None:
        super().__init__(f"room {room}, instrument", "rtcserver.instrument.process", stop_s=2)
        self.room = room
        self.config = config
        self.status = InstrumentStatus(bitrate_bps=config.bitrate_bps)
        self.origin = Anchor(0, monotonic_ns())
        """The beginning of the room's timeline."""
        self._feeds: dict[socket.socket, socket.socket] = {}
        """Writing halves, by their reading half."""
        self._last_progress_ns = 0
        self._last_frames = (-1, -1)
        self._timings: list[asyncio.Future[dict[str, Any]]] = []
        self._encoded_before = 0
        self._noted = False
        self._listened = False
        self._studio = False
        self._readers: Counter[str] = Counter()
        """Subscriptions and feeds that read ``packets``, and ``blocks``."""
        self._feed_readers: dict[socket.socket, tuple[str, ...]] = {}
        self._told = {"packets": False, "blocks": False}
        """What the process was told last to put on the feeds."""
        self._further: list[Encoding] = []
        """Encodings that are wanted beside the room's own."""
        self._subscriptions: set[Subscription[EncodedPacket]] = set()
        self.on_status: Callable[[InstrumentStatus], None] | None = None
        self.on_demo: Callable[[], None] | None = None
        """The demo piece has begun, or ended: `InstrumentStatus.demo_ns` is another one."""

    @property
    def encoded(self) -> int:
        """Packets encoded by all processes of this room so far."""
        return self._encoded_before + self.status.encoded

    @property
    def anchor(self) -> Anchor:
        """The latest moment known on both clocks."""
        if self.status.at_ns:
            return Anchor(self.status.media_time, self.status.at_ns)
        return self.origin

    def subscribe(
        self, *, packets: bool = False, blocks: bool = False, limit: int = DEFAULT_LIMIT
    ) -> Subscription[EncodedPacket]:
        """Read the room's sound here, on the event loop: encoded packets, PCM blocks, or both.

        For a recorder, a meter, a publisher, a local output::

            with instrument.subscribe(blocks=True) as sound:
                async for packet in sound:
                    block = rtcserver.encode.pcm.unpack(packet.payload)
                    samples = block.to_int()        # (frames, 2) int32 in 16 or 24 bits, the device's own rate

        packets: of the room's codec, `EncodedPacket.kind` `KIND_CODED`, one a frame. blocks: Studio payloads, kind
        `KIND_PCM`, one for each block of the device, made only while somebody asks. Both are on the room's
        timeline (`EncodedPacket.media_time`); a gap in it is sound that was lost or that the instrument did not
        deliver, and no silence is put in its place (`rtcserver.encode.continuity` does that for packets).

        The subscription outlives the instrument's process: each new one begins a new `EncodedPacket.epoch`, and
        may have another rate. It ends by `Subscription.close`, or when the supervisor closes. A reader that is
        slower than the sound loses the oldest items, `limit` being what it may lag behind by; nothing that it
        does can slow the instrument. A reader with a thread or process of its own takes `open_feed` instead.

        Raises ValueError if neither is asked for.
        """
        kinds = [kind for kind, wanted in ((KIND_CODED, packets), (KIND_PCM, blocks)) if wanted]
        if not kinds:
            raise ValueError("a subscription reads packets, blocks, or both")
        feed = self.open_feed(packets=packets, blocks=blocks)

        def on_close() -> None:
            watch.close()
            self.close_feed(feed)
            self._subscriptions.discard(subscription)

        def on_packet(packet: EncodedPacket, read_ns: int) -> None:
            subscription.offer(packet)

        subscription: Subscription[EncodedPacket] = Subscription(limit, on_close)
        watch = FeedWatch(FeedReader(feed, kinds), on_packet, subscription.close)
        self._subscriptions.add(subscription)
        watch.start()
        return subscription

    def open_feed(self, *, packets: bool = True, blocks: bool = False) -> socket.socket:
        """A new feed's reading half, non-blocking, for `FeedReader` here or in another process.

        It survives restarts of the instrument's process. `close_feed` ends it. packets, blocks: whether the room's own
        packets, and PCM, are made while this feed is open. What others ask for is on it, too: another feed, a
        subscription, `set_listened`, `set_studio`.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEED_BUFFER)
        ours.setblocking(False)
        self._feeds[ours] = theirs
        self._tell({"type": "add_feed"}, (theirs.fileno(),))
        read = tuple(what for what, wanted in (("packets", packets), ("blocks", blocks)) if wanted)
        self._feed_readers[ours] = read
        self._readers.update(read)
        self._follow()
        return ours

    def close_feed(self, feed: socket.socket) -> None:
        """Close both halves of a feed; the process forgets it at its next packet. Idempotent."""
        feed.close()
        self._readers.subtract(self._feed_readers.pop(feed, ()))
        self._follow()
        writing = self._feeds.pop(feed, None)
        if writing is not None:
            writing.close()

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Change the Opus bitrate from the next frame on, and what depends on it; kept over restarts."""
        self.config = InstrumentConfig(**{**to_dict(self.config), "bitrate_bps": bitrate_bps})
        self._tell({"type": "set_bitrate", "bitrate_bps": bitrate_bps})
        found = encodings_of(bitrate_bps, self.config.frame_samples)
        self.set_encodings(found.get(encoding.name, encoding) for encoding in self._further)

    def set_encodings(self, further: Iterable[Encoding]) -> None:
        """Put these encodings on the feeds beside the room's own, and no others; kept over restarts."""
        wanted = [encoding for encoding in further if encoding.stream != OWN]
        if wanted != self._further:
            self._further = wanted
            self._tell_encodings()

    def set_studio(self, on: bool) -> None:
        """Put PCM on the feeds for Studio listeners, too; kept over restarts."""
        self._studio = on
        self._follow()

    def set_listened(self, on: bool) -> None:
        """Put packets on the feeds for listeners, too; kept over restarts. Where nobody reads anything, an instrument
        that can rests, and nothing is encoded."""
        self._listened = on
        self._follow()

    def midi(self, message: bytes) -> None:
        """Play a channel message on an embedded instrument; others ignore it."""
        self.midi_play([(0, message, None)])

    def midi_play(self, events: Iterable[tuple[int, bytes, int | None]]) -> None:
        """Play ``(performer, message, at_ns)`` on an embedded instrument; at_ns None: at once."""
        packed = [[performer, message.hex(), at_ns or 0] for performer, message, at_ns in events]
        for first in range(0, len(packed), MIDI_EVENTS):
            self._tell({"type": "midi", "events": packed[first : first + MIDI_EVENTS]})

    def midi_release(self, performer: int) -> None:
        """Let go of all that `performer` holds on an embedded instrument, and drop what is scheduled."""
        self._tell({"type": "midi_release", "performer": performer})

    def midi_silence(self) -> None:
        """Silence an embedded instrument."""
        self._tell({"type": "midi_silence"})

    async def timings(self, *, reset: bool = False) -> dict[str, Any]:
        """Durations in the running process (ns: count, p50, p99, max), and how far it has come.

        See `InstrumentProcess`. reset: forget the durations afterwards, to begin a measurement.
        """
        if self._sock is None:
            raise ProcessError("the instrument process does not run")
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._timings.append(future)
        self._tell({"type": "timings", "reset": reset})
        return await asyncio.wait_for(future, 5)

    async def close(self) -> None:
        """Stop the process; after 2 s it is killed. All feeds and subscriptions end. Idempotent."""
        await super().close()
        for subscription in tuple(self._subscriptions):
            subscription.close()
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

    def _tell_encodings(self) -> None:
        self._tell({"type": "encodings", "wanted": [encoding.to_values() for encoding in self._further]})

    def _follow(self) -> None:
        wanted = {
            "packets": self._listened or self._readers["packets"] > 0,
            "blocks": self._studio or self._readers["blocks"] > 0,
        }
        if wanted != self._told:
            self._told = wanted
            self._tell({"type": "read", **wanted})

    def _greet(self) -> None:
        anchor = self.anchor
        self._tell(
            {
                "type": "start",
                "config": to_dict(self.config),
                "media_time": anchor.media_time,
                "at_ns": anchor.at_ns,
                "epoch": self.status.epoch,
                "error": self.status.error,
                "code": self.status.code,
            }
        )
        self._tell({"type": "read", **self._told})
        if self._further:
            self._tell_encodings()
        for feed in self._feeds.values():
            self._tell({"type": "add_feed"}, (feed.fileno(),))
        self._last_progress_ns = monotonic_ns()
        self._last_frames = (-1, -1)

    def _stuck(self, now_ns: int) -> bool:
        return self.status.state == "live" and now_ns - self._last_progress_ns > PROGRESS_NS

    def _died(self, code: int | None) -> None:
        self._encoded_before += self.status.encoded
        self.status.encoded = 0
        before = (self.status.state, self.status.error)
        self._show_demo(0)
        if self.status.state == "live":
            self.status.state = "silent"
            self.status.error = "the instrument process ended unexpectedly and is being restarted"
            self.status.code = "restarting"
        elif self.status.error is None:
            # Without a word it is the system that ended it, or a library.
            doing = f" while {self.last_progress}" if self.last_progress is not None else " while starting"
            self.status.error = (
                f"the instrument process {ending(code, self.was_killed)}{doing}; it is tried again"
            )
            self.status.code = "restarting"
        if before != (self.status.state, self.status.error):
            self._changed()

    def _gone(self) -> None:
        for future in self._timings:
            future.cancel()
        self._timings.clear()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "status":
            before = (self.status.state, self.status.error)
            at_ns, media_time, demo_ns = self.status.at_ns, self.status.media_time, self.status.demo_ns
            self.status = InstrumentStatus.from_message(message)
            said_ns, self.status.demo_ns = self.status.demo_ns, demo_ns
            if not self.status.at_ns:
                # A new process that has not captured yet: the timeline goes on from the old one.
                self.status.at_ns, self.status.media_time = at_ns, media_time
            self._show_demo(said_ns)
            # One that rests has nothing to make progress with: that it reports is enough.
            if self.status.resting or (self.status.epoch, self.status.frames) != self._last_frames:
                self._last_frames = (self.status.epoch, self.status.frames)
                self._last_progress_ns = monotonic_ns()
            if self.status.note is not None and not self._noted:
                # Once: the same file says the same in every round and after every restart.
                self._noted = True
                log.warning("room %s: %s", self.room, self.status.note)
            if before != (self.status.state, self.status.error):
                self._changed()
        elif message["type"] == "timings":
            for future in self._timings:
                if not future.done():
                    future.set_result(message)
            self._timings.clear()

    def _show_demo(self, began_ns: int) -> None:
        if began_ns != self.status.demo_ns:
            self.status.demo_ns = began_ns
            if self.on_demo is not None:
                self.on_demo()

    def _progressed(self) -> None:
        if self.on_status is not None:
            self.on_status(self.status)

    def _changed(self) -> None:
        log.info("room %s: %s is %s%s", self.room, self.status.device or self.config.instrument,
                 self.status.state, f": {self.status.error}" if self.status.error else "")  # fmt: skip
        if self.on_status is not None:
            self.on_status(self.status)


def ending(code: int | None, was_killed: bool) -> str:
    """How a process ended, in words: "hung", "was killed (is there enough memory?)", "ended with code 1". Pure."""
    if was_killed:
        return "hung"
    if code is None:
        return "could not be started"
    if code == -signal.SIGKILL:
        return "was killed (is there enough memory?)"
    return f"crashed (signal {-code})" if code < 0 else f"ended with code {code}"

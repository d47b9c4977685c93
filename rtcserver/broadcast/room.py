"""One room in the broadcast process: the timeline of each of its encodings, and who goes from one to another.

A listener's RTP stream goes on over a change of encoding: sequence numbers step by one, and timestamps by what was sent.
So it changes where the encoding that it leaves and the one that it goes to have come equally far in media time, and where
the next frame can be decoded without those before it (`rtcserver.encode.encoding`).

Between Studio's exact samples and light it goes on without a gap, too. To the samples, as soon as those are kept that
follow the light that it has; those come again. To light, as soon as it has been made for a while: what was made last comes
again, so that the decoder knows what was before, and the samples, which are always ahead, reach beyond it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.listener import (
    PAYLOAD_AGAIN,
    PAYLOAD_PCM,
    PAYLOAD_PCM_TWICE,
    PAYLOAD_SILENCE,
    PCM_KINDS,
    parts_of,
)
from rtcserver.encode.codec import codec_named
from rtcserver.encode.continuity import Continuity
from rtcserver.encode.encoding import OWN, SWITCH_SAMPLES, Encoding
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import Redundancy
from rtcserver.encode.red import RedundantPackets

OVERLAP_SAMPLES = 480
"""So much of what a listener has in one kind of payload comes in the other, too, for a cross-fade."""
WARM_SAMPLES = 4_800
"""So much of light comes again for a decoder that knows nothing of it: 100 ms, after which nobody hears that any more."""
KEPT = 64
"""Blocks of exact samples that are kept (46 ms of the shortest ones that a device has, 185 of the usual ones), and packets
of an encoding."""


@dataclass(slots=True, eq=False)
class EncodedStream:
    """One encoding of the room. used: whether somebody gets it, or waits for it. sent: media time at which the last packet
    that was sent ends, None before the first. latest: the last packets that were sent."""

    encoding: Encoding
    continuity: Continuity
    used: bool = False
    sent: int | None = None
    redundant: RedundantPackets = field(default_factory=RedundantPackets)
    latest: deque[EncodedPacket] = field(default_factory=lambda: deque(maxlen=KEPT))

    @classmethod
    def of(cls, encoding: Encoding) -> EncodedStream:
        """Before its first packet."""
        return cls(encoding, Continuity(codec_named(encoding.codec), encoding.frame_samples))


class RoomFeed:
    """A room whose packets come from `feed` and go to the engine's listeners. No clock; single-threaded.

    own: the room's own encoding. further: those that may come beside it.
    """

    def __init__(
        self,
        name: str,
        feed: FeedReader,
        engine: BroadcastEngine,
        own: Encoding,
        further: Iterable[Encoding] = (),
    ) -> None:
        self.name = name
        self.feed = feed
        self.polled = True
        """Whether the loop waits for the feed."""
        self._engine = engine
        self._streams = {encoding.stream: EncodedStream.of(encoding) for encoding in (own, *further)}
        self._own.used = True
        self._before = 0, 0, 0, 0
        """As `counts`, of the times before the room was at rest last."""
        self._anchor = 0, 0
        """The latest moment known on both clocks: media time and monotonic ns."""
        self._by_name = {stream.encoding.name: stream for stream in self._streams.values()}
        self._moving: dict[int, tuple[str, int]] = {}
        """Listeners that wait for a place where they may change: the kind and payload type they change to."""
        self._redundancy = Redundancy()
        self._last_pcm: EncodedPacket | None = None
        self._pcm: deque[EncodedPacket] = deque(maxlen=KEPT)
        """The latest blocks."""

    @property
    def _own(self) -> EncodedStream:
        return self._streams[OWN]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Of the room's own encoding, since its feed was added: packets emitted, silent ones of these, stale ones, and
        samples that nothing was emitted for (`rtcserver.encode.continuity`)."""
        emitted, silent, stale, skipped = map(sum, zip(self._before, _counted(self._own), strict=True))
        return emitted, silent, stale, skipped

    def start(self, anchor_media_time: int, anchor_ns: int) -> None:
        """Begin the room's timeline, and that of every encoding that already has listeners."""
        self._anchor = anchor_media_time, anchor_ns
        self._own.continuity.start(anchor_media_time, anchor_ns)
        for kind in self._engine.kinds(self.name):
            self.begin(kind, anchor_ns)

    def set_anchor(self, media_time: int, at_ns: int) -> None:
        """A moment of the room's timeline, for what begins when nothing has been on the feed for long."""
        if at_ns > self._anchor[1]:
            self._anchor = media_time, at_ns

    def due_ns(self) -> int | None:
        """When silence is due somewhere if nothing comes; None if never."""
        due: int | None = None
        for stream in self._streams.values():
            if stream.used:
                ns = stream.continuity.due_ns()
                if ns is not None and (due is None or ns < due):
                    due = ns
        return due

    # Listeners

    def begin(self, kind: str, now_ns: int) -> None:
        """A listener came that gets this kind from the start: silence until its encoding is there."""
        name = parts_of(kind).encoding
        if name != PAYLOAD_SILENCE and name not in self._by_name:
            return
        # The room's clock is read off its own encoding, whichever somebody gets.
        for stream in (self._own, self._by_name.get(name, self._own)):
            if not stream.used:
                stream.used = True
                stream.continuity.start(*self._anchor, now_ns)

    def set_kind(self, listener_id: int, kind: str, payload_type: int) -> bool:
        """Give a listener another kind of payload: another encoding as soon as it can change without a gap, all else at
        once. False if there is no such listener."""
        engine = self._engine
        current = engine.kind_of(listener_id)
        if current is None:
            return False
        old, new = (self._by_name.get(parts_of(name).encoding) for name in (current, kind))
        if new is not None:
            new.used = self._own.used = True
        waits = (old is not None and kind in PCM_KINDS) or (new is not None and current in PCM_KINDS)
        if not waits and (old is None or new is None or old is new):
            self._moving.pop(listener_id, None)
            return engine.set_kind(listener_id, kind, payload_type)
        self._moving[listener_id] = kind, payload_type
        return True

    def tidy(self) -> None:
        """Let go of encodings that nobody gets or waits for. Once in a while."""
        kinds = (*self._engine.kinds(self.name), *(kind for kind, _ in self._moving.values()))
        used = {parts_of(kind).encoding for kind in kinds}
        if PAYLOAD_SILENCE in used or not used.isdisjoint(self._by_name):
            used.add(self._own.encoding.name)
        for number, stream in self._streams.items():
            name = stream.encoding.name
            if stream.used and name not in used:
                if number == OWN:
                    self._before = self.counts
                self._streams[number] = self._by_name[name] = EncodedStream.of(stream.encoding)

    # Media

    def take(self, packet: EncodedPacket, read_ns: int) -> bool:
        """A packet of the feed, read at `read_ns`; whether it was one of sound that was sent as it is."""
        self._anchor = packet.media_time + packet.duration, packet.captured_ns
        if packet.kind == KIND_PCM:
            self._send_pcm(packet)
            return False
        stream = self._streams.get(packet.stream)
        if stream is None or not stream.used:
            return False
        fresh = stream.continuity.push(packet, read_ns)
        for one in fresh:
            self._send(stream, one)
        return bool(fresh)

    def fill(self, now_ns: int) -> None:
        """Send the silence that is due."""
        for stream in self._streams.values():
            if stream.used:
                for packet in stream.continuity.poll(now_ns):
                    self._send(stream, packet)

    def _send(self, stream: EncodedStream, packet: EncodedPacket) -> None:
        """A packet of an encoding: plain, and for those who lose some with earlier ones."""
        engine, name = self._engine, stream.encoding.name
        engine.send(self.name, packet, name)
        stream.sent = packet.media_time + packet.duration
        stream.redundant.push(packet)
        kinds = engine.kinds(self.name)
        if len(kinds) > 1 or name not in kinds:
            self._send_others(stream, packet, kinds)
        stream.latest.append(packet)
        if self._moving:
            self._move(stream)

    def _send_others(self, stream: EncodedStream, packet: EncodedPacket, kinds: Collection[str]) -> None:
        """What is made of a packet of an encoding, for listeners of further kinds."""
        engine, name = self._engine, stream.encoding.name
        for kind in tuple(kinds):
            parts = parts_of(kind)
            if parts.encoding != name or kind == name:
                continue
            if parts.level:
                payload = stream.redundant.payload(parts.level, parts.payload_type)
                engine.send(self.name, replace(packet, payload=payload), kind)
            else:
                engine.send(self.name, packet, kind)
        if stream is self._own and PAYLOAD_SILENCE in kinds:
            # What Studio listeners get before their worker has reported.
            silent = replace(packet, payload=stream.continuity.silence)
            engine.send(self.name, silent, PAYLOAD_SILENCE)

    def _move(self, came: EncodedStream) -> None:
        """Change the encoding of those for whom the old and the new one have come equally far; and give light to those who
        have the samples."""
        for listener_id, (kind, payload_type) in tuple(self._moving.items()):
            current = self._engine.kind_of(listener_id)
            if current is None:
                del self._moving[listener_id]
                continue
            old, new = (self._by_name.get(parts_of(name).encoding) for name in (current, kind))
            if new is None or new.sent is None:
                continue
            if old is None and came is new and (warm := _warm(new.latest)):
                self._change(listener_id, kind, payload_type, warm)
            elif old is not None and old.sent == new.sent and new.sent % SWITCH_SAMPLES == 0:
                self._change(listener_id, kind, payload_type)

    def _change(
        self, listener_id: int, kind: str, payload_type: int, again: Iterable[EncodedPacket] = ()
    ) -> None:
        """Let a listener that waits have its kind, after packets that others have had."""
        engine = self._engine
        for number, packet in enumerate(again):
            if not number:
                engine.set_kind(listener_id, PAYLOAD_AGAIN, parts_of(kind).payload_type or payload_type)
            engine.send(self.name, packet, PAYLOAD_AGAIN)
        engine.set_kind(listener_id, kind, payload_type)
        del self._moving[listener_id]

    def _move_to_pcm(self) -> None:
        """Give the exact samples to those who wait for them, from where what they have ends."""
        for listener_id, (kind, payload_type) in tuple(self._moving.items()):
            current = self._engine.kind_of(listener_id)
            if current is None:
                del self._moving[listener_id]
            elif kind in PCM_KINDS:
                old = self._by_name.get(parts_of(current).encoding)
                since = self._pcm_since(old.sent if old is not None else None)
                if since is not None:
                    self._change(listener_id, kind, payload_type, since)

    def _pcm_since(self, media_time: int | None) -> list[EncodedPacket] | None:
        """The latest blocks from this time on, and those of `OVERLAP_SAMPLES` before it. None while they do not reach back
        to there, or not beyond it."""
        if media_time is None:
            return []
        found: list[EncodedPacket] = []
        for packet in reversed(self._pcm):
            if found and abs(packet.media_time + packet.duration - found[-1].media_time) > 1:
                break
            found.append(packet)
            if packet.media_time <= media_time - OVERLAP_SAMPLES:
                break
        if not found or found[-1].media_time > media_time - OVERLAP_SAMPLES:
            return None
        if found[0].media_time + found[0].duration <= media_time:
            return None
        return found[::-1]

    def _send_pcm(self, packet: EncodedPacket) -> None:
        """Studio payloads; a repeated block goes under the repeated block's timestamp."""
        engine = self._engine
        if not self._own.used:
            # Nothing else tells the room's clock.
            engine.observe(self.name, packet)
        engine.send(self.name, packet, PAYLOAD_PCM)
        for kind in engine.kinds(self.name):
            if parts_of(kind).samples:
                engine.send(self.name, packet, kind)
        self._pcm.append(packet)
        if self._moving:
            self._move_to_pcm()
        if not engine.has_listeners(self.name, PAYLOAD_PCM_TWICE):
            return
        before, self._last_pcm = self._last_pcm, packet
        first, *repeats = self._redundancy.push(packet.payload)
        engine.send(self.name, replace(packet, payload=first), PAYLOAD_PCM_TWICE)
        for repeat in repeats:
            if before is not None:
                engine.send(self.name, replace(before, payload=repeat), PAYLOAD_PCM_TWICE)


def _counted(stream: EncodedStream) -> tuple[int, int, int, int]:
    counted = stream.continuity
    return counted.emitted, counted.silent, counted.stale, counted.skipped_samples


def _warm(latest: deque[EncodedPacket]) -> list[EncodedPacket]:
    """The packets of the last `WARM_SAMPLES`; none while there are not so many in a row."""
    end = latest[-1].media_time + latest[-1].duration
    found = [packet for packet in latest if packet.media_time >= end - WARM_SAMPLES]
    whole = sum(packet.duration for packet in found) == end - found[0].media_time == WARM_SAMPLES
    return found if whole else []

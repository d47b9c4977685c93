"""A room's timeline that never stops: encoded silence wherever the instrument delivers nothing.

Pure: each consumer of a feed owns one `Continuity`, passes in what it reads and the monotonic
time, and forwards what comes out. Media time only ever moves forward, on the frame grid.
"""

from __future__ import annotations

from rtcserver.clock import NS, ns_to_samples, samples_to_ns
from rtcserver.encode.codec import Codec
from rtcserver.encode.packet import EncodedPacket

STALL_NS = 40_000_000
"""How much later than expected a packet may be before silence takes its place."""
BURST_NS = 60_000_000
"""Most silence that one `poll` makes up for; what is older is left out as a gap."""


class Continuity:
    """Joins the real packets of a feed with silence, so that media time keeps up with the clock.

    Silence begins about 40 ms after a packet was expected and not delivered, and is then paced by
    monotonic time from the last real packet. While packets arrive, even stale ones, there is no
    silence: a device whose clock comes back behind what was already emitted catches up by itself.

    codec: the room's, which is asked for its silence. frame_samples: samples in a frame at 48 kHz; ValueError
    if the codec has no such frames. stall_ns: as `STALL_NS`.

    Counters: `emitted` (all), `silent` (of these silence), `stale` (real packets dropped because
    their time has already been emitted), `skipped_samples` (media time that nothing was emitted for).
    """

    def __init__(self, codec: Codec, frame_samples: int, *, stall_ns: int = STALL_NS) -> None:
        self.silence = codec.silence(frame_samples)
        """The payload of one silent frame."""
        self._frame = frame_samples
        self._frame_ns = samples_to_ns(frame_samples)
        self._stall_ns = stall_ns
        self._burst = max(1, BURST_NS // self._frame_ns)
        self._anchor_media = 0
        self._anchor_ns = 0
        self._next: int | None = None
        """Media time of the next frame; None before the timeline has a beginning."""
        self._resume_ns = 0
        """No silence before this monotonic time."""
        self._epoch = 0
        self._due_ns: int | None = None
        """What `due_ns` says, where it is known already."""
        self._expects = False
        """Whether the first packet may begin before `_next`, as nothing has been emitted yet."""
        self.emitted = 0
        self.silent = 0
        self.stale = 0
        self.skipped_samples = 0

    @property
    def next_media_time(self) -> int | None:
        """First media time not yet emitted, or None before `start` and any packet."""
        return self._next

    def start(self, anchor_media_time: int, anchor_ns: int, now_ns: int | None = None) -> None:
        """Begin the timeline without a device: `anchor_media_time` was reached at `anchor_ns`.

        now_ns: what was before that time is of no interest, and a packet is expected from then on: silence begins if
        none comes, and the first one may lie before it. Ignored once the timeline runs.
        """
        if self._next is not None:
            return
        if now_ns is not None and now_ns > anchor_ns:
            anchor_media_time += ns_to_samples(now_ns - anchor_ns)
            anchor_ns = now_ns
        self._expects = now_ns is not None
        aligned = -(-anchor_media_time // self._frame) * self._frame
        self._anchor(aligned, anchor_ns + samples_to_ns(aligned - anchor_media_time))
        self._next = aligned
        self._resume_ns = self._anchor_ns + self._frame_ns + self._stall_ns
        self._due_ns = None

    def push(self, packet: EncodedPacket, now_ns: int) -> list[EncodedPacket]:
        """Take a packet that has just been read from the feed: ``[packet]``, or ``[]`` if it is stale."""
        self._resume_ns = now_ns + self._frame_ns + self._stall_ns
        self._due_ns = None
        if self._next is not None and not self._expects and packet.media_time < self._next:
            self.stale += 1
            return []
        if self._next is not None and not self._expects:
            self.skipped_samples += packet.media_time - self._next
        self._next = packet.media_time + packet.duration
        self._epoch = packet.epoch
        self._anchor(self._next, packet.captured_ns)
        self._due_ns = max(self._resume_ns, self._complete_ns(self._next))
        self._expects = False
        self.emitted += 1
        return [packet]

    def due_ns(self) -> int | None:
        """When `poll` has something to emit if no packet arrives first; None if never."""
        if self._due_ns is None and self._next is not None:
            self._due_ns = max(self._resume_ns, self._complete_ns(self._next))
        return self._due_ns

    def poll(self, now_ns: int) -> list[EncodedPacket]:
        """The silence that is due: frames whose time is over, the oldest first, never very many."""
        due = self.due_ns()
        if due is None or now_ns < due or self._next is None:
            return []
        reached = self._anchor_media + ns_to_samples(now_ns - self._anchor_ns)
        count = (reached - self._next) // self._frame
        if count > self._burst:
            skipped = (count - self._burst) * self._frame
            self.skipped_samples += skipped
            self._next += skipped
            count = self._burst
        packets = []
        for _ in range(count):
            packets.append(
                EncodedPacket(
                    self._next, self._frame, self._complete_ns(self._next), self._epoch, self.silence
                )
            )
            self._next += self._frame
        self._expects = self._expects and not count
        self.emitted += count
        self.silent += count
        self._resume_ns = 0
        self._due_ns = None
        return packets

    def _anchor(self, media_time: int, at_ns: int) -> None:
        self._anchor_media, self._anchor_ns = media_time, at_ns

    def _complete_ns(self, media_time: int) -> int:
        """When the frame that begins at `media_time` would have been captured, rounded up."""
        samples = media_time + self._frame - self._anchor_media
        return self._anchor_ns - (-samples * NS // 48_000)

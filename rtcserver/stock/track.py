"""MontageTrack: a room's instrument as an aiortc track.

One object per consumer, because aiortc stops a track when its sender ends. `PacketHub` makes them
and feeds them; everything happens on one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.packet import Packet

from rtcserver.clock import MEDIA_RATE
from rtcserver.encode.packet import EncodedPacket

TIME_BASE = Fraction(1, MEDIA_RATE)
DEFAULT_QUEUE_PACKETS = 32
"""320 ms at 10 ms frames: longer than any stall that a listener's jitter buffer survives."""


class MontageTrack(MediaStreamTrack):
    """An audio track whose `recv` returns Opus packets that were encoded once, upstream.

    Owns a queue of at most `queue_packets` packets; when it is full the oldest goes and `dropped`
    counts it. `on_stop` is called once, with the track, when it stops; the hub unsubscribes it there.
    """

    kind = "audio"

    def __init__(
        self,
        on_stop: Callable[[MontageTrack], None] | None = None,
        *,
        queue_packets: int = DEFAULT_QUEUE_PACKETS,
    ) -> None:
        super().__init__()
        self.dropped = 0
        """Packets that a slow consumer lost to newer ones."""
        self.pushed = 0
        """Packets that came from upstream while the track was live."""
        self._queue: deque[EncodedPacket] = deque(maxlen=queue_packets)
        self._on_stop = on_stop
        self._wake = asyncio.Event()

    def push(self, packet: EncodedPacket) -> None:
        """Queue a packet. Never blocks; ignored after `stop`. Call on the event loop."""
        if self.readyState != "live":
            return
        self.pushed += 1
        if len(self._queue) == self._queue.maxlen:
            self.dropped += 1
        self._queue.append(packet)
        self._wake.set()

    def flush(self) -> None:
        """Forget what is queued, without counting it as dropped.

        For a consumer that begins late: what was queued before its connection stood would reach it
        in one burst and stay in its jitter buffer as latency.
        """
        self._queue.clear()
        self._wake.clear()

    async def recv(self) -> Packet[Any]:
        """The next packet: pts is the media time, time_base 1/48000, duration in samples.

        Raises aiortc's `MediaStreamError` once the track has stopped.
        """
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._wake.clear()
            await self._wake.wait()
        encoded = self._queue.popleft()
        packet = Packet(encoded.payload)
        packet.pts = packet.dts = encoded.media_time
        packet.duration = encoded.duration
        packet.time_base = TIME_BASE
        return packet

    def stop(self) -> None:
        """End the track: a waiting `recv` raises, what is queued is forgotten. Idempotent."""
        if self.readyState != "live":
            return
        super().stop()
        self._queue.clear()
        self._wake.set()
        on_stop, self._on_stop = self._on_stop, None
        if on_stop is not None:
            on_stop(self)

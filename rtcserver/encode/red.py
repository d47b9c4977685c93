"""Redundant audio: a packet that carries earlier frames beside its own (RFC 2198). Pure.

Payload, section 3: for each earlier frame, oldest first, a header of 32 bits, then one byte for the newest frame, then
the frames in the same order::

     0                   1                    2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-------------+---------------------------+-------------------+
    |1|   block PT  |     timestamp offset      |   block length    |
    +-+-------------+---------------------------+-------------------+
    |0|   block PT  |
    +-+-------------+
"""

from __future__ import annotations

from collections import deque

from rtcserver.encode.packet import EncodedPacket

MAX_EARLIER = 2
"""Earlier frames in one packet. Listeners get one at most (`rtcserver.peer.redundancy`): two let a browser wait longer."""
MAX_OFFSET = (1 << 14) - 1
"""Samples by which a frame may be earlier (14 bits)."""
MAX_LENGTH = (1 << 10) - 1
"""Bytes of an earlier frame (10 bits)."""
MAX_PAYLOAD = 1172
"""Bytes of a packet's payload: 1200 with headers and tag, which every network carries in one piece."""
_MORE = 1 << 31


class RedundantPackets:
    """One room's packets with their predecessors. `push` each packet, then `payload` for every kind that is wanted."""

    def __init__(self) -> None:
        self._earlier: deque[EncodedPacket] = deque(maxlen=MAX_EARLIER)
        self._newest: EncodedPacket | None = None

    def push(self, packet: EncodedPacket) -> None:
        """The room's next packet."""
        if self._newest is not None:
            self._earlier.append(self._newest)
        self._newest = packet

    def payload(self, level: int, payload_type: int) -> bytes:
        """The newest packet with up to `level` earlier ones; `payload_type` is that of the codec.

        Earlier frames that the format or the packet has no room for are left out. Raises ValueError before the
        first `push`, and for a level or payload type that cannot be.
        """
        if self._newest is None:
            raise ValueError("there is no packet yet")
        if not 0 <= level <= MAX_EARLIER or not 0 <= payload_type < 128:
            raise ValueError(f"level {level}, payload type {payload_type}")
        newest = self._newest
        room = MAX_PAYLOAD - 1 - len(newest.payload)
        headers: list[bytes] = []
        frames: list[bytes] = []
        expected = newest.media_time
        for packet in reversed(self._earlier):
            offset = newest.media_time - packet.media_time
            # A frame that does not end where the next one begins belongs to another stretch of sound.
            if len(frames) == level or packet.media_time + packet.duration != expected:
                break
            length = len(packet.payload)
            room -= 4 + length
            if room < 0 or offset > MAX_OFFSET or length > MAX_LENGTH:
                break
            headers.append((_MORE | payload_type << 24 | offset << 10 | length).to_bytes(4))
            frames.append(packet.payload)
            expected = packet.media_time
        return b"".join((*reversed(headers), bytes((payload_type,)), *reversed(frames), newest.payload))

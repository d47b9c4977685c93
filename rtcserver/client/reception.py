"""One listener's packets: taken apart, judged as a browser would play them, and the missing ones asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from rtcserver.client.judgement import Judgement, Loudness, judge
from rtcserver.client.measure import Samples, Unwrapper
from rtcserver.client.playout import Frame, Playout
from rtcserver.client.red import opus_samples, split_red
from rtcserver.transport.aiortc_tap import Coded, Taken, TappedPacket

Repair = Literal["red", "nack", "none"]
"""What an offer asks for against losses: redundancy and retransmission, as Chromium; retransmission; neither."""

_ASK_AGAIN_NS = 60_000_000
_ASK_TIMES = 3
_MAX_GAP = 512
"""Packets. After a longer gap nothing before it is asked for: the player is past it."""


class Missing:
    """Which sequence numbers to ask for: each `_ASK_TIMES` times at most, until it comes."""

    def __init__(self) -> None:
        self.asked = 0
        """Numbers asked for, repetitions included."""
        self._numbers = Unwrapper(16)
        self._highest: int | None = None
        self._open: dict[int, tuple[int, int]] = {}
        """Number → (times asked, when to ask next)."""

    def arrive(self, sequence: int, now_ns: int) -> list[int]:
        """A packet has come; returns the 16-bit numbers to ask for, oldest first."""
        number = self._numbers.extend(sequence)
        if self._highest is None:
            self._highest = number
        if number > self._highest:
            if number - self._highest > _MAX_GAP:
                self._open.clear()
            else:
                self._open |= dict.fromkeys(range(self._highest + 1, number), (0, now_ns))
            self._highest = number
        self._open.pop(number, None)
        wanted = []
        for each, (times, due_ns) in list(self._open.items()):
            if times >= _ASK_TIMES or self._highest - each > _MAX_GAP:
                del self._open[each]
            elif now_ns >= due_ns:
                self._open[each] = (times + 1, now_ns + _ASK_AGAIN_NS)
                wanted.append((sequence + each - number) & 0xFFFF)
        self.asked += len(wanted)
        return wanted


class Reception:
    """Takes each authentic packet of a stream by `take`, and its decoded sound by `hear`.

    codec: the name of a payload type, as `rtcserver.client.whep.codec_of` has it. repair: what was offered.
    recovered: frames that came only in a later packet. invalid: payloads that were no RED.
    """

    def __init__(self, codec: Callable[[int], str | None], repair: Repair) -> None:
        self.recovered = self.invalid = 0
        self._codec = codec
        self._repair = repair
        self._playout: Playout | None = None
        self._loudness = Loudness()
        self._missing = Missing()
        self._first: int | None = None
        """Timestamp of the first packet."""

    @property
    def asked(self) -> int:
        """Packets that were asked for, repetitions included."""
        return self._missing.asked

    def take(self, packet: TappedPacket, payload: bytes) -> Taken:
        """Say what becomes of a packet. Its frames go into the judgement if they are Opus."""
        missing = self._missing.arrive(packet.sequence, packet.arrival_ns) if self._repair != "none" else []
        if self._first is None:
            self._first = packet.timestamp
        try:
            frames = self._split(packet, payload)
        except ValueError:
            self.invalid += 1
            return Taken(missing=missing)
        if (self._codec(frames[0].payload_type) or "").lower().startswith("opus/"):
            if self._playout is None:
                self._playout = Playout()
            self.recovered += self._playout.arrive(
                packet.arrival_ns,
                [
                    Frame(each.timestamp, opus_samples(each.frame), place > 0)
                    for place, each in enumerate(frames)
                ],
            )
        return Taken(frames, missing)

    def hear(self, pts: int, samples: Samples) -> None:
        """Decoded sound, ``(frames, 2) int16``; pts: samples of 48 kHz since the first."""
        self._loudness.add(pts, samples)

    def judgement(self, now_ns: int) -> Judgement | None:
        """What a browser would have played until now; None of a stream that is not Opus, or has not begun."""
        if self._playout is None:
            return None
        self._playout.until(now_ns)
        return judge(self._playout, self._loudness)

    def _split(self, packet: TappedPacket, payload: bytes) -> list[Coded]:
        """The packet's own frame, then earlier ones that are of this stream. Raises ValueError for what is no RED."""
        if not (self._codec(packet.payload_type) or "").lower().startswith("red/"):
            return [Coded(packet.payload_type, packet.sequence, packet.timestamp, payload)]
        assert self._first is not None
        own, *earlier = split_red(payload, packet.timestamp)
        frames = [Coded(own.payload_type, packet.sequence, own.timestamp, own.frame)]
        for number, block in enumerate(earlier, start=1):
            before = (block.timestamp - self._first) & 0xFFFF_FFFF >= 0x8000_0000
            if block.frame and block.payload_type == own.payload_type and not before:
                frames.append(
                    Coded(
                        block.payload_type, (packet.sequence - number) & 0xFFFF, block.timestamp, block.frame
                    )
                )
        return frames

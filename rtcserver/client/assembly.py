"""Studio payloads, in any order and perhaps twice, as the one run of samples that they are cut from. Pure.

Whoever records has time: a block is given up only when its successors have waited for it for `WAIT_S`, and becomes
silence of its exact length. The page's own ring (`static/studio/engine/receiver.js`) counts alike, with less patience.
"""

from __future__ import annotations

from collections import deque

from rtcserver.client.measure import interarrival_jitter_ms
from rtcserver.encode.pcm import CHANNELS, MAGIC, PcmBlock, unpack

WAIT_S = 0.25
"""A repeat comes a block's time later, an answered NACK a round trip."""
REACH_S = 5.0
"""A frame number further away than this belongs to no run that is being assembled."""
STRAYS = 8
"""So many in a row of out of reach, and the run has moved there."""
_JITTER_BLOCKS = 100_000
_GIVEN_UP = 4096


def is_studio(payload: bytes) -> bool:
    """Whether it claims to be a Studio payload; no Opus packet begins like this (RFC 6716, section 3.4, R5)."""
    return payload[:2] == MAGIC


class Assembler:
    """Takes payloads by `take`, which returns what has become complete: interleaved samples as on the wire.

    In blocks: `blocks` distinct ones, `lost` given up, `repaired` that only a repeat brought, `duplicates`
    that the network brought twice, `late` that came after they were given up or from another run, `invalid`
    unreadable, `foreign` of another rate or number of bits than the first block's.
    `frames`: handed out so far, `missing` of them silence in place of lost ones. `epochs`: capture runs heard.
    """

    def __init__(self) -> None:
        self.rate = self.bits = self.block_frames = 0
        self.epoch = -1
        self.epochs = 0
        self.blocks = self.lost = self.repaired = self.duplicates = 0
        self.late = self.invalid = self.foreign = 0
        self.frames = self.missing = 0
        self.first_ns: int | None = None
        """Arrival of the first block, monotonic."""
        self._next = self._end = 0
        self._held: dict[int, bytes] = {}
        self._given_up: deque[range] = deque(maxlen=_GIVEN_UP)
        self._strays = 0
        self._arrivals: deque[tuple[int, int]] = deque(maxlen=_JITTER_BLOCKS)

    @property
    def width(self) -> int:
        """Bytes of a frame; 0 before the first block."""
        return CHANNELS * self.bits // 8

    @property
    def jitter_ms(self) -> tuple[float, float]:
        """Last and greatest interarrival jitter of the blocks (RFC 3550, section 6.4.1)."""
        return interarrival_jitter_ms(list(self._arrivals), self.rate) if self._arrivals else (0.0, 0.0)

    def take(self, payload: bytes, now_ns: int) -> bytes:
        """One payload, arrived at `now_ns` (monotonic); never raises."""
        try:
            block = unpack(payload)
        except ValueError:
            self.invalid += 1
            return b""
        if not self.rate:
            self.rate, self.bits, self.first_ns = block.rate, block.bits, now_ns
            self._begin(block)
        if (block.rate, block.bits) != (self.rate, self.bits):
            self.foreign += 1
            return b""
        done = self._place(block)
        if done is None:
            return b""
        if not block.repeat:
            self._arrivals.append((now_ns, block.first_frame))
        self._add(block.first_frame, block.frames, block.samples, repeat=block.repeat)
        if block.previous is not None:
            self._add(block.first_frame - block.frames, block.frames, block.previous, repeat=True)
        return done + self._complete(round(WAIT_S * self.rate))

    def flush(self) -> bytes:
        """What is still held, holes as silence."""
        return self._complete(0)

    def _begin(self, block: PcmBlock) -> None:
        self.epochs += block.epoch != self.epoch
        self.epoch = block.epoch
        self._next = self._end = block.first_frame
        self._held.clear()
        self._given_up.clear()
        self._arrivals.clear()
        self._strays = 0

    def _place(self, block: PcmBlock) -> bytes | None:
        """What the run before leaves if this block begins a new one; None if it belongs nowhere."""
        if block.epoch != self.epoch:
            # Epochs only rise; a late block of the one before is no step back (RFC 1982).
            if (block.epoch - self.epoch) & 0xFFFF_FFFF >= 0x8000_0000:
                self.late += 1
                return None
        elif abs(block.first_frame - self._end) <= REACH_S * self.rate:
            self._strays = 0
            return b""
        else:
            self._strays += 1
            if self._strays < STRAYS:
                self.late += 1
                return None
        rest = self.flush()
        self._begin(block)
        return rest

    def _add(self, first: int, frames: int, samples: bytes, *, repeat: bool) -> None:
        if first < self._next:
            if any(first in gap for gap in self._given_up):
                self.late += not repeat
            elif self._heard(first):
                self.duplicates += not repeat
            return
        if first in self._held:
            self.duplicates += not repeat
            return
        self._held[first] = samples
        self.blocks += 1
        self.repaired += repeat
        self.block_frames = frames
        self._end = max(self._end, first + frames)

    def _heard(self, first: int) -> bool:
        """Whether a frame before `_next` is of this run: not from before we came."""
        return first >= self._next - min(self.frames, round(REACH_S * self.rate))

    def _complete(self, patience: int) -> bytes:
        """All that can be handed out; a hole stays open while not more than `patience` frames follow it."""
        parts: list[bytes] = []
        while self._held:
            samples = self._held.pop(self._next, None)
            if samples is None:
                if self._end - self._next <= patience:
                    break
                upto = min(self._held)
                if upto > self._next:
                    self._give_up(upto)
                    parts.append(bytes((upto - self._next) * self.width))
                    self._next = upto
                else:
                    # Blocks that overlap: nobody sends them, and the first one has its place.
                    del self._held[upto]
                continue
            parts.append(samples)
            self._next += len(samples) // self.width
        done = b"".join(parts)
        self.frames += len(done) // max(1, self.width)
        return done

    def _give_up(self, upto: int) -> None:
        self._given_up.append(range(self._next, upto))
        self.missing += upto - self._next
        self.lost += -(-(upto - self._next) // max(1, self.block_frames))

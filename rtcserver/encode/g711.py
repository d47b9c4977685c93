"""G.711, µ-law and A-law (ITU-T G.711): eight bits for a sample of speech, 8,000 times a second. Pure, by table look-up.

A byte has a sign, one of eight segments, each twice as coarse as the one below it, and one of sixteen steps in it. So there
are 256 levels, and 65,536 samples of 16 bits to be mapped to them: both tables are made once, and a frame is one indexing.

In RTP (RFC 3551, section 4.5.14) the clock is 8,000 Hz, and a packet holds 20 ms unless something else is agreed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rtcserver.encode.mono import Mono, MonoDownsampler

Law = Literal["mulaw", "alaw"]

RATE = 8_000
FRAME = 960
"""Samples at 48 kHz in a packet: 20 ms, which every telephone takes (RFC 3551, section 4.2)."""
BITRATE_BPS = 64_000
_BIAS = 33
"""Added to µ-law magnitudes of 14 bits, so that a segment begins at a power of two."""
_MULAW_MAX = 8_158
_EVEN_BITS = 0x55
"""Inverted in every A-law byte (ITU-T G.711, table 1)."""


def encode(samples: Mono, law: Law) -> bytes:
    """``(n,) int16`` → n bytes. A sample at a decision value counts as the reference software of the field has it."""
    # With a negative sample the index counts from the table's end.
    return _encoder(law).take(samples, mode="wrap").tobytes()


def decode(data: bytes, law: Law) -> Mono:
    """n bytes → ``(n,) int16``: µ-law's 14 and A-law's 13 bits at the top of 16."""
    return _decoder(law).take(np.frombuffer(data, np.uint8))


@functools.cache
def _decoder(law: Law) -> Mono:
    """The level of each byte."""
    code = np.arange(256, dtype=np.int32)
    code ^= 0xFF if law == "mulaw" else _EVEN_BITS
    segment, step = code >> 4 & 7, code & 15
    if law == "mulaw":
        # Half a step above the lower end of the step, less the bias; in 14 bits.
        magnitude = (((2 * step + _BIAS) << segment) - _BIAS) << 2
        negative = code & 0x80 != 0
    else:
        # Segments 0 and 1 are equally fine; in 13 bits with the half step, 16 in all.
        magnitude = (
            np.where(segment == 0, 2 * step + 1, (2 * step + _BIAS) << np.maximum(segment - 1, 0)) << 3
        )
        negative = code & 0x80 == 0
    return np.where(negative, -magnitude, magnitude).astype(np.int16)


@functools.cache
def _encoder(law: Law) -> npt.NDArray[np.uint8]:
    """The byte of each sample, at the index that its bits are as an unsigned number."""
    sample = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = sample < 0
    code: npt.NDArray[np.int32]
    if law == "mulaw":
        linear = sample >> 2
        biased = np.minimum(np.abs(linear), _MULAW_MAX) + _BIAS
        segment = _bits(biased) - 6
        code = segment << 4 | (biased >> (segment + 1) & 15) | np.where(negative, 0x80, 0)
        return (code ^ 0xFF).astype(np.uint8)
    linear = sample >> 3
    magnitude = np.where(negative, ~linear, linear)
    segment = np.maximum(_bits(magnitude) - 5, 0)
    code = segment << 4 | (magnitude >> np.maximum(segment, 1) & 15) | np.where(negative, 0, 0x80)
    return (code ^ _EVEN_BITS).astype(np.uint8)


def _bits(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Number of bits of each value; 0 for 0."""
    bits: npt.NDArray[np.int32] = np.frexp(values)[1]
    return bits


class G711Encoder:
    """One room's, in one of the two laws. Not thread-safe.

    lookahead: samples at 48 kHz by which the decoder's output lags the input, all of it the resampler's.
    """

    frame_samples = FRAME
    bitrate_bps = BITRATE_BPS

    def __init__(self, law: Law) -> None:
        self.encoded = 0
        self._law = law
        self._mono = MonoDownsampler(RATE)
        self.lookahead = self._mono.lookahead

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Nothing: G.711 has one bitrate."""

    def encode_bytes(self, pcm: bytes, *, independent: bool = False) -> bytes:
        """Encode one frame of interleaved stereo float32 in [-1, 1]: 160 bytes."""
        self.encoded += 1
        return encode(self._mono.process(pcm), self._law)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class G711Codec:
    """One of the two laws as `rtcserver.encode.codec.Codec` has it. quietest: the byte of silence."""

    name: str
    payload_name: str
    law: Law
    quietest: int
    clock_rate: int = RATE
    frames: tuple[int, ...] = (FRAME,)

    def encoder(self, frame_samples: int, bitrate_bps: int) -> G711Encoder:
        """A new encoder; the bitrate is always 64 kb/s."""
        self.silence(frame_samples)
        return G711Encoder(self.law)

    def silence(self, frame_samples: int) -> bytes:
        """One frame of the level next to zero: 0 in µ-law, 8 of 32,768 in A-law.

        Raises ValueError for other frames than 20 ms.
        """
        if frame_samples != FRAME:
            raise ValueError(f"frame_samples is {frame_samples}: allowed are {FRAME}")
        return bytes((self.quietest,)) * (FRAME // 6)


PCMU = G711Codec("pcmu", "PCMU/8000", "mulaw", 0xFF)
PCMA = G711Codec("pcma", "PCMA/8000", "alaw", 0xD5)

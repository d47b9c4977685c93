"""PCM blocks as RTP payloads for Studio listeners, before any resampling, in the device's own rate.

Pure. The layout is in `rtcserver/channel/PROTOCOL.md`, section "Studio payload"::

    0     FF 00      no Opus decoder takes it: code 3 with a frame count of 0 (RFC 6716, section 3.4, R5)
    2     u8         version, 1
    3     u8         bits a sample: 16 or 24
    4     u8         flags: 1 the previous block follows, 2 this is a repeat
    5     u8         channels, 2
    6     u16        frames in a block
    8     u32        rate in Hz
    12    u32        epoch
    16    u64        device frame number of the block's first frame
    24    block      interleaved signed samples, little-endian; then the previous block, if flagged

Multi-byte numbers are little-endian throughout: every browser's typed arrays are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import Block, StreamFormat, to_float
from rtcserver.capture.mix import StereoMix

MAGIC = b"\xff\x00"
VERSION = 1
FLAG_PREVIOUS = 1
FLAG_REPEAT = 2
CHANNELS = 2
_HEADER = struct.Struct("<2sBBBBHIIQ")
HEADER_SIZE = _HEADER.size
MAX_PAYLOAD = 1200 - 12 - 16
"""Room in a datagram of 1,200 bytes after the RTP header and the SRTP tag."""
MAX_FRAMES = {16: 256, 24: 128}
"""Most frames of a payload, by bits a sample."""
MIN_RATE, MAX_RATE = 8_000, 192_000
"""Of the frames, in Hz. What a reader keeps ready is as many seconds, so that a rate of millions would be gigabytes."""
_MAX_FRAME = 1 << 53
"""Device frame numbers stay below: a JavaScript number holds no larger ones exactly."""


@dataclass(frozen=True, slots=True)
class PcmBlock:
    """One payload, read. samples: interleaved stereo, the bytes as sent."""

    bits: int
    frames: int
    rate: int
    epoch: int
    first_frame: int
    repeat: bool
    samples: bytes
    previous: bytes | None

    def to_int(self) -> npt.NDArray[np.int32]:
        """``(frames, 2)`` int32 in the sample's own scale (16 or 24 bits)."""
        return decode_samples(self.samples, self.bits)


def decode_samples(data: bytes, bits: int) -> npt.NDArray[np.int32]:
    """Interleaved stereo bytes as ``(frames, 2)`` int32."""
    if bits == 16:
        return np.frombuffer(data, "<i2").astype(np.int32).reshape(-1, CHANNELS)
    packed = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((packed.shape[0], 4), np.uint8)
    wide[:, 1:] = packed
    return (wide.view("<i4") >> 8).reshape(-1, CHANNELS).astype(np.int32)


def encode_samples(samples: npt.NDArray[np.int32], bits: int) -> bytes:
    """``(frames, 2)`` int32 in the scale of `bits` as interleaved bytes."""
    if bits == 16:
        return samples.astype("<i2").tobytes()
    return np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def unpack(payload: bytes) -> PcmBlock:
    """Read a payload. Raises ValueError that names what is wrong."""
    if len(payload) < HEADER_SIZE:
        raise ValueError(f"a Studio payload of {len(payload)} bytes is too short")
    magic, version, bits, flags, channels, frames, rate, epoch, first = _HEADER.unpack_from(payload)
    if magic != MAGIC:
        raise ValueError("this is no Studio payload")
    if version != VERSION:
        raise ValueError(f"Studio payload version {version} is unknown; {VERSION} is spoken")
    if bits not in MAX_FRAMES or channels != CHANNELS or not 1 <= frames <= MAX_FRAMES[bits]:
        raise ValueError(
            f"a Studio payload of {frames} frames, {channels} channels, {bits} bits is not valid"
        )
    if not MIN_RATE <= rate <= MAX_RATE or first >= _MAX_FRAME:
        raise ValueError(f"a Studio payload of {rate} Hz at frame {first} is not valid")
    size = frames * CHANNELS * bits // 8
    blocks = 2 if flags & FLAG_PREVIOUS else 1
    if len(payload) != HEADER_SIZE + size * blocks:
        raise ValueError(f"a Studio payload of {len(payload)} bytes does not hold {blocks} × {size}")
    end = HEADER_SIZE + size
    previous = payload[end:] if blocks == 2 else None
    return PcmBlock(
        bits, frames, rate, epoch, first, bool(flags & FLAG_REPEAT), payload[HEADER_SIZE:end], previous
    )


@dataclass(frozen=True, slots=True)
class StudioFormat:
    """What a room's Studio listeners get.

    frames: of a full payload; a larger capture block is cut into several. exact: the device's very
    samples.
    """

    rate: int
    bits: int
    frames: int
    exact: bool

    @classmethod
    def of(cls, sample_format: str, exact: bool, rate: int, blocksize: int, bits: int) -> StudioFormat:
        """The format for a device; `bits` is the configuration's `studio_bits`."""
        natural = 16 if sample_format == "int16" and exact else 24
        chosen = min(bits or natural, natural)
        return cls(rate, chosen, min(blocksize, MAX_FRAMES[chosen]), exact and chosen == natural)

    @property
    def packets_per_s(self) -> float:
        """Datagrams a second to each listener, without redundancy."""
        return self.rate / self.frames

    @property
    def mbps(self) -> float:
        """Megabits a second to each listener, without redundancy, all headers up to IP's included."""
        # IPv4 20, UDP 8, RTP 12, SRTP tag 16.
        size = self.frames * CHANNELS * self.bits // 8 + HEADER_SIZE + 20 + 8 + 12 + 16
        return size * 8 * self.packets_per_s / 1e6


class PcmPacker:
    """Makes the payloads of one capture run.

    An exact pair keeps its very bits: 16 from an int16 device, 24 from int24, and 24 from float32,
    which holds any 24-bit sample exactly. A mix with gains is rounded to 24 bits. bits: 0 for that,
    or 16 to halve the traffic (then rounded, not exact).
    """

    def __init__(self, stream: StreamFormat, mix: StereoMix, epoch: int, bits: int = 0) -> None:
        self.stream = stream
        self.mix = mix
        self.epoch = epoch
        studio = StudioFormat.of(stream.sample_format, mix.exact, stream.rate, stream.blocksize, bits)
        self.bits, self.frames, self.exact = studio.bits, studio.frames, studio.exact

    def pack(self, block: Block) -> Iterator[tuple[int, int, bytes]]:
        """``(device frame, frames, payload)`` for each piece of a block."""
        data = self._bytes(block)
        width = CHANNELS * self.bits // 8
        for start in range(0, block.frames, self.frames):
            frames = min(self.frames, block.frames - start)
            first = block.first_frame + start
            header = _HEADER.pack(
                MAGIC, VERSION, self.bits, 0, CHANNELS, frames, self.stream.rate, self.epoch, first
            )
            yield first, frames, header + data[start * width : (start + frames) * width]

    def _bytes(self, block: Block) -> bytes:
        pair = (self.mix.left, self.mix.right)
        channels, sample_format = self.stream.channels, self.stream.sample_format
        if self.exact and sample_format == "int16":
            ints = np.frombuffer(block.data, "<i2", block.frames * channels).reshape(-1, channels)
            return ints[:, pair].tobytes()
        if self.exact and sample_format == "int24":
            packed = np.frombuffer(block.data, np.uint8, block.frames * channels * 3)
            return packed.reshape(-1, channels, 3)[:, pair].tobytes()
        scale = 1 << (self.bits - 1)
        samples = self.mix.apply(to_float(block.data, self.stream, block.frames)).astype(np.float64)
        rounded = np.clip(np.rint(samples * scale), -scale, scale - 1).astype(np.int32)
        return encode_samples(rounded, self.bits)


class Redundancy:
    """A run's payloads with each block sent twice, so that a single loss costs nothing.

    Where two blocks fit into a datagram, each payload carries the previous block, too. Where they
    do not, the previous payload is repeated as a datagram of its own, a block's time later.
    """

    def __init__(self) -> None:
        self._previous = b""

    def push(self, payload: bytes) -> list[bytes]:
        """What to send for one payload: one or two payloads, the new block first."""
        previous, self._previous = self._previous, payload
        # Only a neighbour of the same kind is of use: same format, the frames just before.
        if previous[:4] != payload[:4] or previous[5:16] != payload[5:16]:
            return [payload]
        frames = int.from_bytes(payload[6:8], "little")
        if int.from_bytes(payload[16:24], "little") - int.from_bytes(previous[16:24], "little") != frames:
            return [payload]
        size = len(payload) - HEADER_SIZE
        if HEADER_SIZE + 2 * size <= MAX_PAYLOAD:
            return [_flagged(payload, FLAG_PREVIOUS) + previous[HEADER_SIZE:]]
        return [payload, _flagged(previous, FLAG_REPEAT)]


def _flagged(payload: bytes, flag: int) -> bytes:
    return payload[:4] + bytes((payload[4] | flag,)) + payload[5:]

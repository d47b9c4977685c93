"""Blocks in, encoded packets out: mix → resample → frame → encode, with exact media times.

Owned by the instrument process's main thread. No I/O, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.capture.mix import StereoMix
from rtcserver.clock import MEDIA_RATE
from rtcserver.encode.codec import DEFAULT, Encoder
from rtcserver.encode.encoding import SWITCH_SAMPLES
from rtcserver.encode.framing import Framer
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.resample import resampler_for
from rtcserver.encode.timeline import Epoch

METERED = 128
"""Frames that `take_peak` looks back at most."""


class EncoderRun:
    """One encoding at work: its frames and its encoder.

    warm_samples: how much of the sound it encodes before its packets count. codec: by name; listeners change between
    encodings of one codec only. apart: whether nobody comes to it from another, or leaves it for one.
    """

    def __init__(
        self,
        stream: int,
        framer: Framer,
        encoder: Encoder,
        *,
        warm_samples: int = 0,
        codec: str = DEFAULT.name,
        apart: bool = False,
    ) -> None:
        self.stream = stream
        self.framer = framer
        self.encoder = encoder
        self.codec = codec
        self.apart = apart
        self._cold = warm_samples
        self._first = False
        """Whether no packet has gone out since `restart`."""

    def restart(self) -> None:
        """Nobody has had its packets for a while. The first frame is not whole and counts for nothing; the first packet
        of those that count can be decoded by itself."""
        self.framer.restart()
        self._cold = max(self._cold, 1)
        self._first = True

    def push(
        self, samples: npt.NDArray[np.float32], position: int, *, switching: bool
    ) -> list[tuple[int, bytes, bytes]]:
        """Add ``(n, 2)`` samples from media time `position` on; ``(media_time, pcm, payload)`` of each frame.

        switching: whether listeners may come from another encoding, or go to one.
        """
        made = []
        length = self.framer.frame_samples
        # The decoder's output lags by the look-ahead: the packet that holds the samples from
        # `position` on decodes to those from `position - lookahead` on, and is stamped so.
        for media_time, frame in self.framer.push(samples, position - self.encoder.lookahead):
            pcm = frame.tobytes()
            # The last frame before a place where listeners may change, and the first one after it.
            independent = switching and (
                media_time % SWITCH_SAMPLES == 0 or (media_time + length) % SWITCH_SAMPLES == 0
            )
            cold, self._cold = self._cold > 0, self._cold - length
            payload = self.encoder.encode_bytes(pcm, independent=independent or (self._first and not cold))
            if cold:
                continue
            self._cold, self._first = 0, False
            made.append((media_time, pcm, payload))
        return made


class EncodePipeline:
    """One capture run of one room.

    runs: the encodings at work, the room's own first; their owner may add and remove others at any time. They outlive the
    pipeline, so that the grid and the codec's state go on over a change of device.
    """

    def __init__(
        self, stream: StreamFormat, mix: StereoMix, epoch: Epoch, runs: Sequence[EncoderRun]
    ) -> None:
        self.stream = stream
        self.mix = mix
        self.epoch = epoch
        self.runs = runs
        self._taken = mix.taken_from(stream)
        self._resampler = resampler_for(stream.rate)
        self._next_frame: int | None = 0
        """None after `pass_by`: what comes is connected with nothing that came before."""
        self._position = epoch.base
        """Media time of the next sample that leaves the resampler."""
        self._metered: deque[bytes] = deque(maxlen=METERED)
        """Frames whose peak has not been taken yet: looking at many at once is cheaper."""
        self._peak = np.zeros(2, np.float32)
        """Of what passed by since it was taken last."""

    def push(self, block: Block) -> list[EncodedPacket]:
        """Process one block; the packets that it completes.

        A jump in `block.first_frame` ends the resampler's run and moves the position on by
        exactly the frames that were lost.
        """
        samples = self._taken(block.data, block.frames)
        packets = []
        if block.first_frame != self._next_frame:
            if self._next_frame is not None:
                packets = self._emit(self._resampler.flush(), block)
            self._position = self.epoch.media_time(block.first_frame)
        self._next_frame = block.first_frame + block.frames
        made = self._emit(self._resampler.process(samples), block)
        return packets + made if packets else made

    def pass_by(self, block: Block) -> None:
        """A block of which nobody wants packets: its peak counts, and the next `push` begins anew."""
        if self._next_frame is not None:
            self._next_frame = None
            self._resampler.flush()
            for run in self.runs:
                run.restart()
        samples = self._taken(block.data, block.frames)
        # Side by side: NumPy is slow along an axis whose neighbours are far apart.
        for side in (0, 1):
            self._peak[side] = max(self._peak[side], np.abs(samples[:, side]).max(initial=0))

    def blocks_to_packets(self) -> tuple[int, int]:
        """Number of blocks, at least 1, before which no packet can be complete, and of those that follow before another."""
        stream, runs = self.stream, self.runs
        missing = runs[0].framer.missing if len(runs) == 1 else min([run.framer.missing for run in runs])
        span = MEDIA_RATE * stream.blocksize
        # One sample less than needed: the resampler's output comes in whole samples, now and then one more.
        blocks = max(1, -(-(missing - 1) * stream.rate // span))
        samples = blocks * span // stream.rate + 2
        least = span
        for run in runs:
            size = run.framer.frame_samples
            beyond = samples - run.framer.missing
            left = size - beyond % size if beyond >= 0 else -beyond
            if left < least:
                least = left
        return blocks, max(1, -(-(least - 1) * stream.rate // span))

    @property
    def encoded_media(self) -> int:
        """Media time up to which captured sound has left the resampler for the encoder's frames."""
        return self._position

    def take_peak(self) -> tuple[float, float]:
        """Peak magnitude left and right of what was encoded or passed by since the last call, linear."""
        peak, self._peak = self._peak, np.zeros(2, np.float32)
        if self._metered:
            frames = np.frombuffer(b"".join(self._metered), np.float32).reshape(len(self._metered), -1)
            self._metered.clear()
            # All frames over one another first: NumPy is slow along an axis of two.
            highest = np.abs(frames).max(axis=0)
            peak = np.maximum(peak, (highest[0::2].max(), highest[1::2].max()))
        return float(peak[0]), float(peak[1])

    def _emit(self, samples: npt.NDArray[np.float32], block: Block) -> list[EncodedPacket]:
        position = self._position
        self._position += len(samples)
        if len(self.runs) == 1:
            return self._packets(self.runs[0], samples, position, block, switching=False)
        packets = [
            packet
            for run in self.runs
            for packet in self._packets(run, samples, position, block, switching=self._switching(run))
        ]
        # In the order in which they end, so that the encodings go on together in a long block, too.
        packets.sort(key=lambda packet: (packet.media_time + packet.duration, packet.stream))
        return packets

    def _switching(self, run: EncoderRun) -> bool:
        """Whether listeners may come to this encoding from another one, or leave it for one."""
        alike = sum(one.codec == run.codec and not one.apart for one in self.runs)
        return alike > 1 and not run.apart

    def _packets(
        self,
        run: EncoderRun,
        samples: npt.NDArray[np.float32],
        position: int,
        block: Block,
        *,
        switching: bool,
    ) -> list[EncodedPacket]:
        made = run.push(samples, position, switching=switching)
        if run is self.runs[0]:
            self._metered.extend([pcm for _, pcm, _ in made])
        duration, arrived_ns, epoch = run.framer.frame_samples, block.arrived_ns, self.epoch.number
        return [
            EncodedPacket(media_time, duration, arrived_ns, epoch, payload, stream=run.stream)
            for media_time, _, payload in made
        ]

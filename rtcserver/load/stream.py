"""What one load listener knows of the RTP stream that it gets. Pure: header fields in, counts out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Mark(NamedTuple):
    """A stream at the moment of a drain, to be subtracted from a later one.

    at_ns: monotonic. received, lost: packets. gaps: places in the sequence where packets are missing.
    """

    at_ns: int
    received: int
    lost: int
    gaps: int


class Stream:
    """Counts of one stream. Packets that come twice or late are in `unordered`, not in `received`.

    sequence, timestamp: of the newest packet, extended beyond 16 and 32 bits; -1 if none has come.
    first: both as they were when the first packets had been counted, or at the last `anchor`.
    """

    __slots__ = ("first", "gaps", "lost", "received", "sequence", "timestamp", "unordered")

    def __init__(self) -> None:
        self.received = 0
        self.unordered = 0
        self.gaps = 0
        self.lost = 0
        self.sequence = -1
        self.timestamp = -1
        self.first = (-1, -1)

    def count(self, sequences: npt.NDArray[np.uint16], timestamp: int) -> None:
        """Take packets in the order of their arrival. timestamp: the last one's, 32 bits."""
        if not len(sequences):
            return
        previous = self.sequence
        if previous < 0:
            previous = int(sequences[0]) - 1
            self.timestamp = timestamp
        steps = np.diff(sequences, prepend=np.uint16(previous & 0xFFFF)).astype(np.int16)
        if (steps == 1).all():
            self.sequence = previous + len(steps)
            self.received += len(steps)
        else:
            self.sequence = previous
            for place in np.cumsum(steps.astype(np.int64)) + previous:
                step = int(place) - self.sequence
                if step <= 0:
                    self.unordered += 1
                    continue
                self.gaps += step > 1
                self.lost += step - 1
                self.received += 1
                self.sequence = int(place)
        ahead = (timestamp - self.timestamp) & 0xFFFF_FFFF
        if ahead < 0x8000_0000:
            self.timestamp += ahead
        if self.first[0] < 0:
            self.first = (self.sequence, self.timestamp)

    def count_one(self, sequence: int, timestamp: int) -> None:
        """The same for a single packet, without NumPy when it is the next one."""
        if self.sequence >= 0 and (self.sequence + 1) & 0xFFFF == sequence:
            self.sequence += 1
            self.received += 1
            self.timestamp += (timestamp - self.timestamp) & 0xFFFF_FFFF
        else:
            self.count(np.array([sequence], np.uint16), timestamp)

    def anchor(self) -> None:
        """Forget how the packets before were spaced: a Studio stream begins with silence."""
        self.first = (self.sequence, self.timestamp)

    def mark(self, now_ns: int) -> Mark:
        """The state now."""
        return Mark(now_ns, self.received, self.lost, self.gaps)


def frame_samples(streams: Iterable[Stream]) -> float:
    """Samples at 48 kHz between two packets: the median over streams; 0.0 if too little was received."""
    steps = [
        (stream.timestamp - stream.first[1]) / (stream.sequence - stream.first[0])
        for stream in streams
        if 0 <= stream.first[0] < stream.sequence
    ]
    return float(np.median(steps)) if steps else 0.0


def expected(begin: Mark, end: Mark, samples: float) -> int:
    """Packets that should have come between two marks, at `samples` between two packets.

    The sequence numbers tell how many were lost underway; the time tells when the server itself sent
    too few. The time's word is taken less two packets, as marks do not fall on frame boundaries.
    """
    sent = end.received - begin.received + end.lost - begin.lost
    if samples <= 0:
        return sent
    return max(sent, int((end.at_ns - begin.at_ns) * 48e-6 / samples) - 2)

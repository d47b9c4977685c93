"""The frames between a room's feed and a local output: filled by one thread, emptied by the output's callback. Pure.

Where both sides run on one clock nothing is ever changed: what is played is what was captured, bit for bit. Where
they do not, the level drifts; once it has moved by more than bursts explain, single frames are left out or put in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
WINDOW_S = 8
"""The level is judged by its mean over so many seconds."""


class Playout:
    """A ring of stereo frames. One thread calls `write`, another `read`; indices are written by one side only.

    target: frames that wait when playing begins. slack: frames by which the mean level may differ from its first mean.
    """

    def __init__(self, rate: int, target: int, slack: int) -> None:
        self.target = target
        self.slack = slack
        self._size = 1 << (8 * target + rate // 4).bit_length()
        self._ring = np.zeros((self._size, 2), np.float32)
        self._written = 0
        self._read = 0
        self._playing = False
        self._window = WINDOW_S * rate
        self._sum = self._seen = 0
        self._usual: float | None = None
        self._step = 0
        """Frames that the next reads leave out (1) or put in (-1), each."""
        self._left = 0
        """How many reads are to do so."""
        self.played = 0
        """Frames of sound handed to the output."""
        self.underruns = 0
        """Times at which the output asked for more than there was, while playing."""
        self.overruns = 0
        """Times at which the ring was full and its contents were shortened to `target`."""
        self.slips = 0
        """Single frames left out or put in for the clocks' sake."""

    @property
    def level(self) -> int:
        """Frames that wait."""
        return self._written - self._read

    def write(self, samples: Samples) -> None:
        """Add ``(n, 2)`` frames; what does not fit is dropped and left to `read` to count."""
        samples = samples[: self._size - self.level]
        start = self._written % self._size
        first = min(len(samples), self._size - start)
        self._ring[start : start + first] = samples[:first]
        self._ring[: len(samples) - first] = samples[first:]
        self._written += len(samples)

    def skip(self, frames: int) -> None:
        """Add so many frames of silence in place of what was lost."""
        self.write(np.zeros((min(frames, self._size), 2), np.float32))

    def read(self, out: Samples) -> None:
        """Fill ``(n, 2)`` `out` with the next frames, or with silence."""
        frames = len(out)
        if not self._playing:
            if self.level < max(self.target, frames):
                out[:] = 0
                return
            self._playing = True
            self._read = self._written - max(self.target, frames)
            self._sum, self._seen, self._usual, self._step = 0, 0, None, 0
        if self.level >= self._size - frames:
            self.overruns += 1
            self._read = self._written - max(self.target, frames)
        step = self._judge(frames)
        if self.level < frames + step:
            self.underruns += 1
            self._playing = False
            out[:] = 0
            return
        if step:
            self.slips += 1
            taken = self._take(frames + step)
            places = np.linspace(0, len(taken) - 1, frames)
            for side in range(2):
                out[:, side] = np.interp(places, np.arange(len(taken)), taken[:, side])
        else:
            start = self._read % self._size
            first = min(frames, self._size - start)
            out[:first] = self._ring[start : start + first]
            out[first:] = self._ring[: frames - first]
        self._read += frames + step
        self.played += frames

    def _take(self, frames: int) -> Samples:
        return self._ring[(self._read + np.arange(frames)) % self._size]

    def _judge(self, frames: int) -> int:
        """How many frames this read is to consume more (or fewer) than it plays."""
        self._sum += self.level * frames
        self._seen += frames
        if self._seen >= self._window:
            mean = self._sum / self._seen
            self._sum = self._seen = 0
            if self._usual is None:
                self._usual = mean
            off = mean - self._usual
            if abs(off) > self.slack:
                self._step = 1 if off > 0 else -1
                # So many reads, of one frame each, bring the level back before it is judged again.
                self._left = round(abs(off))
        if self._step:
            self._left -= 1
            step = self._step
            if self._left <= 0:
                self._step = 0
            return step
        return 0

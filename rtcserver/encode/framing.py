"""48 kHz stereo samples with a media position → frames on the room's grid.

Pure. Every frame begins at a multiple of the frame length in media time, in every epoch, so a
listener sees timestamps that only ever step by whole frames, across losses and restarts, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


class Framer:
    """Cuts a stream of samples into frames of `frame_samples`.

    A jump forward in position pads the frame in hand with silence, leaves out the frames that
    nothing is known of, and begins the next one on the grid. Samples from before the position
    already reached are dropped.
    """

    def __init__(self, frame_samples: int) -> None:
        self.frame_samples = frame_samples
        self._frame = np.zeros((frame_samples, 2), np.float32)
        self._fill = 0
        self._start: int | None = None
        """Media time of the frame in hand; None before the first sample."""

    @property
    def position(self) -> int | None:
        """Media time of the next sample expected."""
        return None if self._start is None else self._start + self._fill

    @property
    def missing(self) -> int:
        """Samples that complete the frame in hand."""
        return self.frame_samples - self._fill

    def push(
        self, samples: npt.NDArray[np.float32], position: int
    ) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Add ``(n, 2)`` samples that begin at media time `position`.

        Yields ``(media_time, frame)`` for each completed frame; `frame` is ``(frame_samples, 2)``
        float32 and reused after the next iteration.
        """
        size = self.frame_samples
        if self._start is None:
            self._begin(position)
        expected = self._start + self._fill  # type: ignore[operator]  # set by _begin
        if position < expected:
            samples = samples[expected - position :]
        elif position > expected:
            assert self._start is not None
            end = self._start + size
            if position >= end:
                if self._fill:
                    self._frame[self._fill :] = 0
                    yield self._start, self._frame
                self._begin(position)
            else:
                fill = position - self._start
                self._frame[self._fill : fill] = 0
                self._fill = fill
        taken = 0
        while taken < len(samples):
            count = min(size - self._fill, len(samples) - taken)
            self._frame[self._fill : self._fill + count] = samples[taken : taken + count]
            self._fill += count
            taken += count
            if self._fill == size:
                assert self._start is not None
                yield self._start, self._frame
                self._start += size
                self._fill = 0

    def restart(self) -> None:
        """Forget the frame in hand: the next samples begin one at their own position, its start padded with silence."""
        self._start, self._fill = None, 0

    def _begin(self, position: int) -> None:
        self._start = position - position % self.frame_samples
        self._fill = position - self._start
        self._frame[: self._fill] = 0

"""Decodes ahead of playing, on a thread of its own, and goes round and round.

Whoever plays reads from memory and never waits for a disk or a decoder. What is held is bounded; a short file is kept
whole, so that it is decoded once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from rtcserver.capture.decode import Samples, Tally
from rtcserver.errors import InstrumentError

AHEAD_S = 10
"""Seconds that are held; a file that is no longer is kept whole. 384 kB a second at 48 kHz."""


class DecodeAhead:
    """`passes` is called for each round with a tally, and yields the sound from its beginning to its end.

    `read` is for one thread. What a pass raises is raised by `read` once all before it was played.
    """

    def __init__(self, name: str, rate: int, passes: Callable[[Tally], Iterator[Samples]]) -> None:
        self.name = name
        self.note: str | None = None
        """One line about what was left out; of the whole file once the first round is over."""
        self.starved = 0
        """Frames of silence because decoding was late."""
        self._passes = passes
        self._limit = AHEAD_S * rate
        self._ready: deque[Samples] = deque()
        self._held = 0
        self._whole: Samples | None = None
        """A short file's samples: the round after the first needs no decoding."""
        self._at = 0
        self._failure: Exception | None = None
        self._stop = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    @property
    def ahead(self) -> int:
        """Frames that can be read now; without end for a short file."""
        return self._held if self._whole is None else self._limit

    def wait(self, frames: int = 1, timeout_s: float | None = None) -> bool:
        """Wait until so many frames, at most what is held, can be read; raises what the first pass did."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._held >= min(frames, self._limit) or self._whole is not None or self._failure,
                timeout_s,
            )
            if self._failure is not None and not self._held:
                raise self._failure
            return self.ahead >= frames

    def read(self, frames: int) -> Samples:
        """The next frames, without waiting: silence where nothing is ready."""
        out = np.empty((frames, 2), np.float32)
        done = 0
        with self._changed:
            for piece in self._take(frames):
                out[done : done + len(piece)] = piece
                done += len(piece)
        whole = self._whole
        if done < frames and whole is not None:
            index = np.arange(self._at, self._at + frames - done) % len(whole)
            out[done:] = whole[index]
            self._at = (self._at + frames - done) % len(whole)
        elif done < frames:
            if self._failure is not None:
                raise self._failure
            out[done:] = 0.0
            self.starved += frames - done
        return out

    def skip(self, frames: int) -> bool:
        """Leave out the next frames, without waiting. False if so many are not ready: then none is left out."""
        with self._changed:
            if self._whole is None and self._held < frames:
                return False
            frames -= sum(map(len, self._take(frames)))
        if frames and self._whole is not None:
            self._at = (self._at + frames) % len(self._whole)
        return True

    def _take(self, frames: int) -> list[Samples]:
        """So many of the next frames, or all that are ready, in order. The lock is held."""
        taken: list[Samples] = []
        while frames and self._ready:
            first = self._ready.popleft()
            taken.append(first[:frames])
            if len(first) > frames:
                self._ready.appendleft(first[frames:])
            frames -= len(taken[-1])
            self._held -= len(taken[-1])
        if self._held <= self._limit // 2:
            self._changed.notify()
        return taken

    def close(self) -> None:
        """Stop decoding. Idempotent."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=1)

    def _run(self) -> None:
        try:
            kept: list[Samples] | None = []
            while self._round(kept):
                if kept:
                    with self._changed:
                        self._whole = np.concatenate(kept)
                        self._changed.notify_all()
                    return
                kept = None
        except InstrumentError as error:
            self._fail(error)
        except Exception as error:
            # Whatever a library does with a file that nobody foresaw: the room says it, the server goes on.
            self._fail(
                InstrumentError(
                    f"file: {self.name} cannot be played: {type(error).__name__}: {error}", code="format"
                )
            )

    def _fail(self, error: InstrumentError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _round(self, kept: list[Samples] | None) -> bool:
        """One pass, into `kept` as long as the file is short enough; False if it was stopped."""
        tally = Tally()
        first = kept is not None
        for samples in self._passes(tally):
            if not self._put(samples):
                return False
            if kept is not None:
                kept.append(samples)
                if tally.frames > self._limit:
                    kept.clear()
                    kept = None
            if first:
                self.note = tally.note(self.name)
        if first:
            self.note = tally.note(self.name)
        return True

    def _put(self, samples: Samples) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._held < self._limit)
            if self._stop:
                return False
            self._ready.append(samples)
            self._held += len(samples)
            self._changed.notify_all()
        return True

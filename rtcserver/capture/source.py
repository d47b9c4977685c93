"""What every instrument is to the instrument process, and the thread that clocks the embedded ones."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.ring import FLAG_LOST, FLAG_OVERFLOW, BlockRing
from rtcserver.clock import NS, monotonic_ns


class Source(Protocol):
    """One instrument that is open, or can be opened.

    `open` finds out what the device delivers, starts it and returns its format and the ring that
    its blocks go to. Raises InstrumentError (missing, busy, wrong rate or channels).
    """

    name: str
    """What the device calls itself, for people."""

    def open(self) -> tuple[StreamFormat, BlockRing]: ...

    def close(self) -> None:
        """Stop delivering. Idempotent; may take as long as the driver does."""


class ClockedSource:
    """A source with no clock of its own: a thread asks it for a block whenever one is due.

    Block *n* is due at start + (n+1)·blocksize/rate by the monotonic clock: deadlines are
    absolute, so lateness never adds up. After a stall of more than `MAX_CATCH_UP_NS` (a suspended
    machine) the blocks in between are lost, as a sound card would lose them.
    """

    MAX_CATCH_UP_NS = NS // 2

    def __init__(self, name: str, stream: StreamFormat) -> None:
        self.name = name
        self.stream = stream
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.start_ns = 0
        """Monotonic ns of frame 0 once the source runs: frame *n* is at start + n/rate, exactly."""

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.float32] | npt.NDArray[np.int16]:
        """The next block, ``(frames, channels)`` in the stream's format. Called on the source's thread."""
        raise NotImplementedError

    def open(self) -> tuple[StreamFormat, BlockRing]:
        ring = BlockRing(self.stream)
        self._thread = threading.Thread(target=self._run, args=(ring,), name="source", daemon=True)
        self._thread.start()
        return self.stream, ring

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2)

    def _run(self, ring: BlockRing) -> None:
        rate, size = self.stream.rate, self.stream.blocksize
        start = self.start_ns = monotonic_ns()
        frame = 0
        while not self._stop.is_set():
            block = np.ascontiguousarray(self.render(size, frame))
            due = start + (frame + size) * NS // rate
            wait = due - monotonic_ns()
            flags = 0
            if wait > 0:
                time.sleep(wait / NS)
            elif -wait > self.MAX_CATCH_UP_NS:
                lost = (-wait * rate // NS) // size
                frame += lost * size
                due = start + (frame + size) * NS // rate
                flags = FLAG_OVERFLOW | FLAG_LOST
            ring.write(block.data.cast("B"), size, monotonic_ns(), due - size * NS // rate, flags)
            frame += size

"""What every instrument is to the instrument process, and the thread that clocks the embedded ones."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.durations import Durations
from rtcserver.capture.ring import FLAG_LOST, FLAG_OVERFLOW, FLAG_RESTED, BlockRing
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import InstrumentError

PUNCTUAL_NS = 100_000
"""Several blocks may be handed over so much before the end of the last one."""


class Source:
    """One instrument that is open, or can be opened. What has a default here, an instrument need not have.

    `open`, `close` and `rescan` are called by the instrument process's main thread; the notes, too.
    """

    first_block_ns = 5 * NS
    """An opened instrument that delivers no first block for so long is dead."""
    next_block_ns = NS
    """One that has delivered blocks, and delivers no more for so long, is dead."""
    watched = False
    """Whether `watch` has something to look after, and is to be called about ten times a second, even if nobody listens."""

    def __init__(self, name: str) -> None:
        self.name = name
        """What the device calls itself, for people."""
        self.fault: InstrumentError | None = None
        """Set by the source's own thread when it has failed and delivers no more: it is closed, and opened anew later."""
        self.dropped_messages = 0
        """MIDI messages that were dropped since too many waited to be played."""

    @property
    def resting(self) -> bool:
        """Whether it plays nothing at the moment, as nobody listens, and will go on by itself when somebody does."""
        return False

    @property
    def demo_ns(self) -> int:
        """Monotonic ns at which the demo piece began that it plays by itself; 0 while it plays none."""
        return 0

    def rest(self, allowed: bool) -> None:
        """Nobody listens, so that an instrument that can may rest; or somebody does again: it goes on at once.

        Called by the main thread. What is played through `midi` while nobody listens is played all the same.
        """

    @property
    def starved(self) -> int:
        """Frames of silence since what is to be played was not ready in time."""
        return 0

    @property
    def note(self) -> str | None:
        """What is left out of what the instrument plays, in one line for people; None if nothing is."""
        return None

    def open(self) -> tuple[StreamFormat, BlockRing]:
        """Find out what the device delivers, start it, and return its format and the ring of its blocks.

        Raises InstrumentError (missing, busy, wrong rate or channels).
        """
        raise NotImplementedError

    def close(self) -> None:
        """Stop delivering. Idempotent; may take as long as the driver does."""

    def rescan(self) -> None:
        """Look anew for what is plugged in; called after `open` has failed."""

    def watch(self, now_ns: int) -> None:
        """Look after the source's own thread; called several times a second while it is open."""

    def stalled(self) -> str:
        """What is wrong when nothing was delivered for `first_block_ns` or `next_block_ns`: a sentence for people."""
        return f"{self.name} delivers no sound any more: unplugged, or its driver hangs"

    def timings(self) -> dict[str, list[int]]:
        """Durations in ns since `forget_timings`, by what they are of; a source may measure nothing before it.

        ``callback``: the device's callback. ``interval``: from one callback to the next. ``call``: one call
        of an embedded instrument's `render`.
        """
        return {}

    def forget_timings(self) -> None:
        """Begin the durations anew."""

    def midi(self, message: bytes, at_ns: int = 0, performer: int = 0) -> None:
        """Play one complete channel message for `performer` at monotonic `at_ns` (0: at once)."""

    def release(self, performer: int) -> None:
        """Let go of all that `performer` holds, and drop what is scheduled for them."""

    def silence(self) -> None:
        """Let go of all that anybody holds."""


class ClockedSource(Source):
    """A source with no clock of its own: a thread asks it for a block whenever one is due.

    Block *n* is due at start + (n+1)·blocksize/rate by the monotonic clock: deadlines are
    absolute, so lateness never adds up. After a stall of more than `MAX_CATCH_UP_NS` (a suspended
    machine) the blocks in between are lost, as a sound card would lose them.

    While it rests the thread sleeps, and frames go on to be counted by the clock: the next block is the one that is
    under way when it wakes up, marked `FLAG_RESTED`.
    """

    MAX_CATCH_UP_NS = NS // 2
    MOST_TOGETHER_NS = 12_000_000
    """Most sound that is rendered at once: a packet of 10 ms in whole blocks."""
    joins = False
    """Whether `render_blocks` is there: where the reader of the ring waits for several blocks, the thread wakes up once."""

    def __init__(self, name: str, stream: StreamFormat) -> None:
        super().__init__(name)
        self.stream = stream
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._call = Durations()
        self._takes_ns = 0
        """What rendering several blocks takes, as an average."""
        self._may_rest = False
        self._rests = False
        self._wake = threading.Event()
        self.start_ns = 0
        """Monotonic ns of frame 0 once the source runs: frame *n* is at start + n/rate, exactly."""

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.float32] | npt.NDArray[np.int16]:
        """The next block, ``(frames, channels)`` in the stream's format. Called on the source's thread."""
        raise NotImplementedError

    def render_blocks(self, count: int, first_frame: int) -> npt.NDArray[np.float32] | npt.NDArray[np.int16]:
        """The next `count` blocks in one piece, sample for sample what `render` makes, called when each of them begins.

        Called on the source's thread, shortly before the last of them is over.
        """
        raise NotImplementedError

    def settled(self, block: npt.NDArray[Any]) -> bool:
        """Whether it may rest after this block, the latest. Called on the source's thread while `rest` allows it."""
        return True

    @property
    def resting(self) -> bool:
        return self._rests

    def rest(self, allowed: bool) -> None:
        self._may_rest = allowed
        if not allowed:
            self._wake.set()

    def open(self) -> tuple[StreamFormat, BlockRing]:
        ring = BlockRing(self.stream)
        self._thread = threading.Thread(target=self._run, args=(ring,), name="source", daemon=True)
        self._thread.start()
        return self.stream, ring

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2)

    def timings(self) -> dict[str, list[int]]:
        return {"call": self._call.values()}

    def forget_timings(self) -> None:
        self._call.clear()

    def _run(self, ring: BlockRing) -> None:
        rate, size = self.stream.rate, self.stream.blocksize
        start = self.start_ns = monotonic_ns()
        frame = flags = 0
        while not self._stop.is_set():
            count = self._together(ring)
            frames = count * size
            due = start + (frame + frames) * NS // rate
            blocks: npt.NDArray[Any] = np.ascontiguousarray(self._rendered_by(due, count, frame))
            now = monotonic_ns()
            wait = due - now
            if wait > (0 if count == 1 else PUNCTUAL_NS):
                time.sleep(wait / NS)
            elif -wait > self.MAX_CATCH_UP_NS:
                lost = (-wait * rate // NS) // size
                frame += lost * size
                due = start + (frame + frames) * NS // rate
                flags |= FLAG_OVERFLOW | FLAG_LOST
            # Handed over a little early, it counts as arrived when it is over.
            arrived = max(due, monotonic_ns())
            ring.put_blocks(blocks.data.cast("B"), count, arrived, due - frames * NS // rate, flags)
            flags = 0
            frame += frames
            if self._may_rest and self._rest_until_woken(blocks):
                under_way = (monotonic_ns() - start) * rate // NS // size * size
                if under_way > frame:
                    frame, flags = under_way, FLAG_RESTED

    def _together(self, ring: BlockRing) -> int:
        """How many blocks to render at once."""
        if not self.joins or self._may_rest:
            return 1
        most = self.MOST_TOGETHER_NS * self.stream.rate // (NS * self.stream.blocksize)
        return max(1, min(ring.wanted, most))

    def _rendered_by(self, due_ns: int, count: int, frame: int) -> npt.NDArray[Any]:
        """The next blocks: one at once, several just in time, with what is played until the last of them begins."""
        if count > 1:
            wait = due_ns - self._takes_ns - monotonic_ns()
            if wait > 0:
                time.sleep(wait / NS)
        began = monotonic_ns()
        blocks = self.render(self.stream.blocksize, frame) if count == 1 else self.render_blocks(count, frame)
        took = monotonic_ns() - began
        self._call.add(took)
        if count > 1:
            block_ns = self.stream.blocksize * NS // self.stream.rate
            self._takes_ns = min(self._takes_ns + (took - self._takes_ns) // 8, block_ns // 2)
        return blocks

    def _rest_until_woken(self, block: npt.NDArray[Any]) -> bool:
        """Sleep if nothing speaks against it; whether it did."""
        self._wake.clear()
        # Looked at after that, so that whoever changes it and then wakes the thread does so in any case.
        if not self._may_rest or self._stop.is_set() or not self.settled(block):
            return False
        self._rests = True
        self._wake.wait()
        self._rests = False
        return True

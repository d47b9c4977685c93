"""What performers play on an embedded instrument: from any thread to the frames of its next block.

The queue is bounded; who holds which key is the merger's, what is played later the schedule's.
"""

from __future__ import annotations

from collections import deque

from rtcserver.clock import NS
from rtcserver.midi.merge import Merger
from rtcserver.midi.schedule import Schedule

MAX_PENDING = 4096
"""Messages that may wait for the next block; the oldest are dropped beyond."""


class PlayedNotes:
    """`play`, `release` and `silence` may be called on any thread, `take` on the instrument's only."""

    def __init__(self) -> None:
        self._pending: deque[tuple[str, int, bytes, int]] = deque(maxlen=MAX_PENDING)
        self.dropped = 0
        """Messages that came while `MAX_PENDING` waited, and pushed the oldest out."""
        self._merger = Merger()
        self._schedule = Schedule()
        """By frame number."""

    @property
    def busy(self) -> bool:
        """Whether something is to be played."""
        return bool(self._pending) or len(self._schedule) > 0

    def play(self, message: bytes, at_ns: int, performer: int) -> None:
        """One complete channel message, for monotonic `at_ns`; 0, or what is past: the next block's start."""
        self._hand_over("play", performer, message, at_ns)

    def release(self, performer: int) -> None:
        """Let go of all that `performer` holds, and drop what is scheduled for them."""
        self._hand_over("release", performer, b"", 0)

    def silence(self) -> None:
        """Let go of all that anybody holds, and of what hangs for other reasons."""
        self._hand_over("silence", 0, b"", 0)

    def take(self, first_frame: int, frames: int, start_ns: int, rate: int) -> list[tuple[int, bytes]]:
        """``(offset, message)`` of all that the instrument gets in this block, in order.

        offset: frames from `first_frame`. start_ns: monotonic ns of frame 0. rate: frames a second.
        """
        now: list[bytes] = []
        while self._pending:
            what, performer, message, at_ns = self._pending.popleft()
            if what == "release":
                self._schedule.cancel(performer)
                now += self._merger.release(performer)
            elif what == "silence":
                self._schedule.clear()
                now += self._merger.silence()
            elif at_ns and (frame := ((at_ns - start_ns) * rate * 2 + NS) // (2 * NS)) > first_frame:
                for player, early in self._schedule.add(performer, message, frame):
                    now += self._merger.apply(player, early)
            else:
                now += self._merger.apply(performer, message)
        taken = [(0, message) for message in now]
        for frame, performer, message in self._schedule.due(first_frame + frames - 1):
            offset = max(0, frame - first_frame)
            taken += [(offset, merged) for merged in self._merger.apply(performer, message)]
        return taken

    def _hand_over(self, what: str, performer: int, message: bytes, at_ns: int) -> None:
        if len(self._pending) == MAX_PENDING:
            self.dropped += 1
        self._pending.append((what, performer, message, at_ns))

"""Counting device frames, the lost ones included.

Pure: blocks' sizes, flags and conversion times go in, device frame numbers come out.

A late callback and a lost block look alike at first: the conversion time that comes with the block is
later than it should be. What tells them apart is whether it *stays*. Stamps are never early, only late, so
the least lateness of a while (the lower envelope) is the device's own, whatever the scheduler did to most
of its callbacks. Frames are taken for lost when even the least lateness has been half a block or more
for `settle_ns`, or more than `jump_ns` for `confirm_ns`: a burst that was only delivered late has caught
up by then. An overflow flag proves nothing (with JACK it is set by an xrun of any other client) and is
often missing where something was lost (so it is counted, and decides nothing).
"""

from __future__ import annotations

from collections import deque

from rtcserver.clock import NS

LEAST_STEP_NS = 1_000_000
"""Lateness below this is never taken for a loss, however small the blocks are."""
WINDOW_NS = NS
"""Length of the windows whose least lateness the expectation follows."""
MEMORY = 16
"""Windows that the expectation remembers."""
MAX_DRIFT = 0.001
"""Most that a device's clock may differ from ours."""
MOST_NEWS_NS = 500_000
"""Most that one window may move the expectation: what is left over after a loss, up to half a block, is no drift."""


class FrameCounter:
    """Gives each block the device frame number of its first frame.

    Frames are lost in three ways: the reader was too late (`lost_blocks`, known exactly); the device
    itself says how many are missing by its stamps (`certain`); or the lateness of its stamps stays. In the
    last case the number is the least lateness in whole blocks, and the timeline moves on by it at the
    block that confirms it, `settle_ns` or `confirm_ns` after the loss: the frames in between keep the
    numbers that they were given, and no number is ever given twice.

    The expectation is a straight line, fitted to the least lateness of each second with a growing memory
    (an alpha-beta filter, which for the first `MEMORY` windows is the least-squares line), so that a clock
    which is off by some hundred ppm never looks like a loss, and slips too small to be told from one
    add up until they can be.

    Stamps that come earlier than the expectation show that it was wrong. What had been taken for lost by
    then is owed: it is not taken back, but the next loss is paid from it first, so that over a run the
    count and the device's clock agree.
    """

    def __init__(
        self,
        rate: int,
        *,
        jump_ns: int = 40_000_000,
        confirm_ns: int = 100_000_000,
        settle_ns: int = NS,
    ) -> None:
        self.rate = rate
        self.jump_ns = jump_ns
        self.confirm_ns = confirm_ns
        self.settle_ns = settle_ns
        self.next_frame = 0
        """Device frame number that the next block begins with, if nothing is lost."""
        self.lost_frames = 0
        self.overflows = 0
        self.owed_frames = 0
        """Frames that were taken for lost and were not: the next loss is paid from them."""
        self._start_ns: int | None = None
        self._seen_frames = 0
        """Frames delivered, and those that the reader lost: all that are known without a clock."""
        self._inferred_frames = 0
        """Frames beyond those that the device has moved on by, as far as is believed now."""
        self._line = _Line()
        self._recent = _LeastOf(settle_ns)
        self._latest_ns = 0
        """Lateness of the block before."""
        self._late_since_ns: int | None = None
        self._jump_since_ns: int | None = None
        self._early: tuple[int, float] | None = None

    def advance(
        self,
        frames: int,
        adc_ns: int,
        *,
        overflow: bool,
        lost_blocks: int,
        blocksize: int,
        certain: bool = False,
        rested: bool = False,
    ) -> int:
        """Account for one block and return its first device frame number.

        adc_ns: monotonic ns at which its first frame was converted. overflow: the device's flag. lost_blocks:
        blocks that the reader lost before this one. certain: the device vouches that its stamps are
        exact and that frames are missing before this block. rested: so it does of frames that it has not made since it
        rested; they are counted, and none of them is lost.
        """
        self.overflows += overflow
        lost = lost_blocks * blocksize
        self._seen_frames += lost
        if self._start_ns is None:
            self._start_ns = adc_ns - self._seen_frames * NS // self.rate
        if rested:
            self._rest(adc_ns - self._start_ns, blocksize)
        lost += self._missing(adc_ns, adc_ns - self._start_ns, blocksize, certain)
        first = self.next_frame + lost
        self.lost_frames += lost
        self.next_frame = first + frames
        self._seen_frames += frames
        return first

    def _rest(self, elapsed_ns: int, blocksize: int) -> None:
        """Count the whole blocks that the device's time has gone on by, as if they had been delivered."""
        ahead = elapsed_ns * self.rate // NS - self._seen_frames - self._inferred_frames
        rested = max(0, (ahead + blocksize // 2) // blocksize * blocksize)
        self.next_frame += rested
        self._seen_frames += rested

    def _missing(self, adc_ns: int, elapsed_ns: int, blocksize: int, certain: bool) -> int:
        """Frames that the device lost before this block, as far as that is certain by now."""
        block_ns = blocksize * NS / self.rate
        threshold = max(block_ns / 2, LEAST_STEP_NS)
        late_ns = elapsed_ns - self._seen_frames * NS // self.rate
        expected_ns = self._line.at(adc_ns) + self._inferred_frames * NS / self.rate
        excess_ns = late_ns - expected_ns
        if excess_ns < -threshold:
            self._expected_too_late(adc_ns, -excess_ns, block_ns, blocksize)
            return 0
        if certain:
            return self._lose(round(excess_ns / block_ns) * blocksize)
        if excess_ns < threshold:
            self._late_since_ns = self._jump_since_ns = None
            self._line.observe(adc_ns, excess_ns)
        elif self._late_since_ns is None or late_ns - self._latest_ns > self.jump_ns / 2:
            # The device stood still, or lost much: what came before says nothing about now.
            self._late_since_ns, self._jump_since_ns = adc_ns, None
            self._recent.clear()
        self._latest_ns = late_ns
        self._recent.add(adc_ns, late_ns)
        if self._late_since_ns is None:
            return 0
        if excess_ns <= self.jump_ns:
            self._jump_since_ns = None
        elif self._jump_since_ns is None:
            self._jump_since_ns = adc_ns
        if adc_ns - self._late_since_ns >= self.settle_ns:
            least_ns = self._recent.least() - expected_ns
            if least_ns >= threshold:
                self._line.doubt()
                return self._lose(round(least_ns / block_ns) * blocksize)
        if self._jump_since_ns is not None and adc_ns - self._jump_since_ns >= self.confirm_ns:
            half = adc_ns - self.confirm_ns // 2
            before, after = self._recent.halves(adc_ns - self.confirm_ns, half)
            if before - after > threshold:
                # The lateness still falls: what was held up is being delivered now, and nothing was lost.
                return 0
            self._jump_since_ns = None
            self._line.doubt()
            return self._lose(round((min(before, after) - expected_ns) / block_ns) * blocksize)
        return 0

    def _lose(self, frames: int) -> int:
        """Move the device on by frames that it lost; returns by how many the timeline moves on."""
        paid = min(frames, self.owed_frames)
        self.owed_frames -= paid
        self._inferred_frames += frames
        return frames - paid

    def _expected_too_late(self, adc_ns: int, early_ns: float, block_ns: float, blocksize: int) -> None:
        """A stamp came before its time: believed when a second one within a window says so, too."""
        self._late_since_ns = self._jump_since_ns = None
        before, self._early = self._early, (adc_ns, early_ns)
        if before is None or adc_ns - before[0] > WINDOW_NS:
            return
        self._early = None
        early_ns = min(early_ns, before[1])
        taken_back = min(round(early_ns / block_ns) * blocksize, self._inferred_frames)
        self._inferred_frames -= taken_back
        self.owed_frames += taken_back
        # What was never taken for lost is the lateness of the first stamps: the line begins lower.
        self._line.shift(taken_back * NS / self.rate - early_ns)


class _LeastOf:
    """The latenesses of the last `span_ns`, and the least of them."""

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._all: deque[tuple[int, int]] = deque()
        self._rising: deque[tuple[int, int]] = deque()
        """Those that no later one is below: the first is the least of all."""

    def clear(self) -> None:
        self._all.clear()
        self._rising.clear()

    def add(self, at_ns: int, late_ns: int) -> None:
        while self._rising and self._rising[-1][1] >= late_ns:
            self._rising.pop()
        for kept in (self._all, self._rising):
            kept.append((at_ns, late_ns))
            while kept[0][0] < at_ns - self._span_ns:
                kept.popleft()

    def least(self) -> int:
        return self._rising[0][1]

    def halves(self, begin_ns: int, middle_ns: int) -> tuple[int, int]:
        """The least from `begin_ns` to `middle_ns`, and the least since then."""
        after = self._all[-1][1]
        before: int | None = None
        for at_ns, late_ns in reversed(self._all):
            if at_ns >= middle_ns:
                after = min(after, late_ns)
            elif at_ns >= begin_ns or before is None:
                before = late_ns if before is None else min(before, late_ns)
            else:
                break
        return (after if before is None else before), after


class _Line:
    """The least lateness as a straight line over time, fitted window by window."""

    def __init__(self) -> None:
        self._at_ns: int | None = None
        self._late_ns = 0.0
        self._slope = 0.0
        """ns of lateness a ns: how slow the device's clock is."""
        self._windows = 0
        self._doubtful = 0
        """Windows, of those that come, in which a remainder of a loss may look like drift."""
        self._window_end_ns = 0
        self._least: tuple[int, float] | None = None

    def at(self, now_ns: int) -> float:
        """The lateness that is expected at this time."""
        if self._at_ns is None:
            self._at_ns, self._window_end_ns = now_ns, now_ns + WINDOW_NS // 16
        return self._late_ns + self._slope * (now_ns - self._at_ns)

    def doubt(self) -> None:
        """Something was taken for lost: what comes next may be off by up to half a block."""
        self._doubtful = MEMORY

    def shift(self, by_ns: float) -> None:
        self._late_ns += by_ns
        self._least = None

    def observe(self, now_ns: int, excess_ns: float) -> None:
        """One punctual block: `excess_ns` later than expected."""
        if self._least is None or excess_ns < self._least[1]:
            self._least = now_ns, excess_ns
        if now_ns >= self._window_end_ns:
            self._follow(*self._least)
            self._least = None
            self._window_end_ns = now_ns + WINDOW_NS

    def _follow(self, at_ns: int, excess_ns: float) -> None:
        """An alpha-beta filter with the gains of a growing memory, up to `MEMORY` windows."""
        assert self._at_ns is not None
        if self._doubtful and self._windows:
            # What a loss left over is not to be learnt as drift: little is believed of a single window.
            self._doubtful -= 1
            n = MEMORY
        else:
            n = self._windows = min(self._windows + 1, MEMORY)
        if n > 1:
            excess_ns = max(-MOST_NEWS_NS, min(MOST_NEWS_NS, excess_ns))
        elapsed_ns = at_ns - self._at_ns
        self._late_ns += self._slope * elapsed_ns + excess_ns * 2 * (2 * n - 1) / (n * (n + 1))
        if n > 1:
            # Two least latenesses that lie close together say little about a slope.
            slope = self._slope + excess_ns * 6 / (n * (n + 1)) / max(elapsed_ns, WINDOW_NS // 2)
            self._slope = max(-MAX_DRIFT, min(MAX_DRIFT, slope))
        self._at_ns = at_ns

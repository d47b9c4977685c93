"""Counting device frames, the lost ones included.

Pure: blocks' sizes, flags and conversion times go in, device frame numbers come out.
"""

from __future__ import annotations

from rtcserver.clock import NS


class FrameCounter:
    """Gives each block the device frame number of its first frame.

    Frames are lost in two ways: the reader was too late (`lost_blocks`, known exactly), or the
    device itself overflowed. In the second case the number is read from the jump in its
    conversion times, rounded to whole blocks of the device. Overflow flags are not always set, so
    a jump of more than `jump_ns` counts without one, too, when it stays for `confirm_ns` of the
    device's time: blocks that were only delivered late come in a burst, and the burst catches up
    before that. The least lateness of that while is the jump, as jitter only ever adds to it.

    The expected conversion time follows the measured one slowly (1/`smooth` of each deviation),
    so a clock that is off by some hundred ppm, and callback jitter, never look like a loss. A
    block that is far too early shows that the expectation was wrong, and becomes the new one.
    """

    def __init__(
        self,
        rate: int,
        *,
        jump_ns: int = 40_000_000,
        confirm_ns: int = 100_000_000,
        smooth: int = 256,
    ) -> None:
        self.rate = rate
        self.jump_ns = jump_ns
        self.confirm_ns = confirm_ns
        self.smooth = smooth
        self.next_frame = 0
        """Device frame number that the next block begins with, if nothing is lost."""
        self.lost_frames = 0
        self.overflows = 0
        self._expected_ns: int | None = None
        self._late_since_ns: int | None = None
        self._least_late_ns = 0

    def advance(self, frames: int, adc_ns: int, *, overflow: bool, lost_blocks: int, blocksize: int) -> int:
        """Account for one block and return its first device frame number."""
        if self._expected_ns is None:
            self._expected_ns = adc_ns
        lost = lost_blocks * blocksize
        self._expected_ns += lost * NS // self.rate
        if overflow:
            self.overflows += 1
        missing = self._missing(adc_ns, adc_ns - self._expected_ns, overflow, blocksize)
        lost += missing
        self._expected_ns += missing * NS // self.rate
        late_ns = adc_ns - self._expected_ns
        if late_ns <= -self.jump_ns:
            self._expected_ns = adc_ns
        elif late_ns < self.jump_ns:
            self._expected_ns += late_ns // self.smooth
        first = self.next_frame + lost
        self.lost_frames += lost
        self.next_frame = first + frames
        self._expected_ns += frames * NS // self.rate
        return first

    def _missing(self, adc_ns: int, late_ns: int, overflow: bool, blocksize: int) -> int:
        """Frames that the device lost before this block, as far as that is certain by now."""
        block_ns = blocksize * NS // self.rate
        if overflow and late_ns > block_ns // 2:
            # With the device's own word for it, half a block of lateness is evidence.
            evidence_ns = late_ns
        elif late_ns <= self.jump_ns:
            self._late_since_ns = None
            return 0
        else:
            if self._late_since_ns is None:
                self._late_since_ns, self._least_late_ns = adc_ns, late_ns
            self._least_late_ns = min(self._least_late_ns, late_ns)
            if adc_ns - self._late_since_ns < self.confirm_ns:
                return 0
            evidence_ns = self._least_late_ns
        self._late_since_ns = None
        return round(evidence_ns * self.rate / (NS * blocksize)) * blocksize

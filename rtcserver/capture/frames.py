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
    a jump of more than `jump_ns` counts without one, too, when it stays for `confirm_blocks`.

    The expected conversion time follows the measured one slowly (1/`smooth` of each deviation),
    so a clock that is off by some hundred ppm, and callback jitter, never look like a loss.
    """

    def __init__(
        self, rate: int, *, jump_ns: int = 40_000_000, confirm_blocks: int = 24, smooth: int = 256
    ) -> None:
        self.rate = rate
        self.jump_ns = jump_ns
        self.confirm_blocks = confirm_blocks
        self.smooth = smooth
        self.next_frame = 0
        """Device frame number that the next block begins with, if nothing is lost."""
        self.lost_frames = 0
        self.overflows = 0
        self._expected_ns: int | None = None
        self._late_blocks = 0

    def advance(self, frames: int, adc_ns: int, *, overflow: bool, lost_blocks: int, blocksize: int) -> int:
        """Account for one block and return its first device frame number."""
        lost = lost_blocks * blocksize
        if lost and self._expected_ns is not None:
            self._expected_ns += lost * NS // self.rate
        if self._expected_ns is None:
            self._expected_ns = adc_ns
        late_ns = adc_ns - self._expected_ns
        if overflow:
            self.overflows += 1
        # After an overflow half a block of lateness is evidence; without a flag only a large,
        # lasting one is, since the callback itself may come late in bursts.
        threshold = blocksize * NS // (2 * self.rate) if overflow else self.jump_ns
        if late_ns > threshold:
            self._late_blocks += 1
            if overflow or self._late_blocks >= self.confirm_blocks:
                missing = round(late_ns * self.rate / NS / blocksize) * blocksize
                lost += missing
                self._expected_ns += missing * NS // self.rate
                late_ns = adc_ns - self._expected_ns
                self._late_blocks = 0
        else:
            self._late_blocks = 0
        if abs(late_ns) < self.jump_ns:
            self._expected_ns += late_ns // self.smooth
        first = self.next_frame + lost
        self.lost_frames += lost
        self.next_frame = first + frames
        self._expected_ns += frames * NS // self.rate
        return first

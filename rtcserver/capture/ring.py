"""The ring between a device's thread and the encoder's: preallocated, one writer, one reader.

The writer copies a block into the next slot, stamps it and, when as many are there as the reader
wants, wakes it: an encoder that needs four blocks for a frame sleeps through three. It never waits,
allocates nothing that grows and never fails: when the reader is a whole ring behind, the oldest
blocks are overwritten, and the reader counts them as lost frames.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.clock import NS

FLAG_OVERFLOW = 1
"""The device says that input was lost before this block (paInputOverflow), or may have been."""
FLAG_LOST = 2
"""Frames are missing before this block, and the conversion times say exactly how many."""
FLAG_RESTED = 4
"""The instrument has rested before this block: its frames were never made, and the conversion times say how many."""


_eventfd_write = ctypes.PyDLL(None).eventfd_write
"""As `os.eventfd_write`, which lets go of the interpreter lock: the reader that it wakes would take it at
once, and the device's thread would have to wait for it to finish its callback."""
_eventfd_write.argtypes = (ctypes.c_int, ctypes.c_uint64)


def _copy(place: memoryview, data: memoryview, size: int) -> None:
    place[:size] = data


class BlockRing:
    """`slots` blocks of at most `stream.blocksize` frames.

    Safe for one writing and one reading thread: each index is written by one side only, and under
    the interpreter lock an index is published after the slot it names.
    """

    def __init__(self, stream: StreamFormat, slots: int = 256) -> None:
        self.stream = stream
        self.slots = slots
        self._block_bytes, self._frame_bytes = stream.block_bytes, stream.frame_bytes
        self._buffer = bytearray(self._block_bytes * slots)
        self._view = memoryview(self._buffer)
        self._places = [
            self._view[start : start + self._block_bytes]
            for start in range(0, len(self._buffer), self._block_bytes)
        ]
        self._frames = [0] * slots
        self._arrived = [0] * slots
        self._adc = [0] * slots
        self._flags = [0] * slots
        self._written = 0
        self._read = 0
        self._wake_at = 0
        """The reader wants to be woken when so many blocks have been written."""
        self._then = 1
        """After how many more it will want to be woken again, at the earliest."""
        self.overruns = 0
        """Blocks that the reader was too late for."""
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Becomes readable when there are as many blocks as the reader wants; for poll()."""

    def write(self, data: memoryview, frames: int, arrived_ns: int, adc_ns: int, flags: int) -> None:
        """Copy one block in, and wake the reader if it is to be woken. Called by the device's thread only."""
        if self.put(_copy, data, frames, arrived_ns, adc_ns, flags):
            _eventfd_write(self.fd, 1)

    def put(
        self,
        copy: Callable[[memoryview, Any, int], None],
        data: Any,
        frames: int,
        arrived_ns: int,
        adc_ns: int,
        flags: int,
    ) -> bool:
        """Copy one block in; whether `wake` is to follow. Called by the device's thread only.

        copy: puts so many bytes of `data` into a place of the ring; cffi's `memmove` needs no object around what PortAudio
        points to.
        """
        written = self._written
        slot = written % self.slots
        copy(self._places[slot], data, frames * self._frame_bytes)
        self._frames[slot] = frames
        self._arrived[slot] = arrived_ns
        self._adc[slot] = adc_ns
        self._flags[slot] = flags
        self._written = written = written + 1
        return written >= self._wake_at

    def put_blocks(self, data: memoryview, count: int, arrived_ns: int, adc_ns: int, flags: int) -> None:
        """Copy `count` whole blocks in that follow one another, and wake the reader if it is to be woken.

        adc_ns, flags: of the first one. Called by the device's thread only.
        """
        slot, size, rate = self._written % self.slots, self.stream.blocksize, self.stream.rate
        length = self._block_bytes
        if slot + count > self.slots:
            before = self.slots - slot
            self.put_blocks(data[: before * length], before, arrived_ns, adc_ns, flags)
            adc_ns += before * size * NS // rate
            self.put_blocks(data[before * length :], count - before, arrived_ns, adc_ns, 0)
            return
        start, end = slot * length, slot + count
        self._view[start : start + count * length] = data
        self._frames[slot:end] = [size] * count
        self._arrived[slot:end] = [arrived_ns] * count
        self._adc[slot:end] = [adc_ns + n * size * NS // rate for n in range(count)]
        self._flags[slot:end] = [flags] + [0] * (count - 1)
        self._written += count
        if self._written >= self._wake_at:
            _eventfd_write(self.fd, 1)

    def wake(self) -> None:
        """Wake the reader. The last thing that a device's thread does, for the reader needs the interpreter lock at once."""
        _eventfd_write(self.fd, 1)

    @property
    def written(self) -> int:
        """Blocks written since the beginning."""
        return self._written

    @property
    def waiting(self) -> int:
        """Blocks written and not yet read."""
        return self._written - self._read

    @property
    def wanted(self) -> int:
        """How many more blocks, at least 1, the reader waits for: a source that makes them itself needs to make none sooner.

        Right after the block that wakes the reader, these are what the reader said that it would want then.
        """
        left = self._wake_at - self._written
        return left if left > 0 else self._then

    def want(self, blocks: int, then: int = 1) -> bool:
        """Be woken when `blocks` wait to be read; True if they do already, and no wake-up may come.

        then: how many blocks after those the reader will want at least. Called by the reader's thread. Without a call,
        every block wakes it.
        """
        self._then = then
        self._wake_at = self._read + blocks
        # A block that was written while the old number stood has not woken anybody.
        return self._written >= self._wake_at

    def clear_wakeup(self) -> None:
        """Reset `fd` before draining; a block written after that wakes poll() again."""
        try:  # noqa: SIM105  # a context manager takes longer than the call
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass

    def read(self, most: int = 1, *, punctual: bool = False) -> tuple[Block, int, int] | None:
        """The next block as ``(block, flags, lost_blocks)``, or None. `first_frame` is left at 0.

        Called by the reader's thread only. `lost_blocks` counts those overwritten before it. Up to
        `most` blocks that follow one another without a flag come as one: as early as the first was
        converted, and as late as the last one arrived. punctual: `adc_ns` is the earliest that any of their conversion
        times allows for the first one, as those of a device may be late, and never are early.
        """
        lost = 0
        behind = self._written - self._read
        if behind == 0:
            return None
        # One slot is kept free: the writer may be in the middle of the one that comes next.
        if behind >= self.slots:
            lost = behind - self.slots + 1
            self._read += lost
            self.overruns += lost
        slot = self._read % self.slots
        count = self._run(slot, min(most, behind - lost))
        last = slot + count - 1
        frames = (count - 1) * self.stream.blocksize + self._frames[last]
        start = slot * self._block_bytes
        block = Block(
            self._view[start : start + frames * self._frame_bytes],
            frames,
            0,
            self._arrived[last],
            self._least_adc(slot, count) if punctual else self._adc[slot],
        )
        self._read += count
        return block, self._flags[slot], lost

    def _run(self, slot: int, most: int) -> int:
        """How many slots from this one on hold sound that lies in one piece."""
        size, end = self.stream.blocksize, min(slot + most, self.slots)
        last = slot
        while last + 1 < end and self._frames[last] == size and not self._flags[last + 1]:
            last += 1
        return last - slot + 1

    def _least_adc(self, slot: int, count: int) -> int:
        size, rate = self.stream.blocksize, self.stream.rate
        return min(adc - n * size * NS // rate for n, adc in enumerate(self._adc[slot : slot + count]))

    def close(self) -> None:
        """Release the wake-up descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

"""Recorded callbacks of loaded machines, replayed: the count follows the device, and nothing else.

The recordings in ``tests/vectors/capture`` were made by ``python -m tests.rig.callbacks`` with two workers of
stress-ng on two cores. ``…_priority`` is of a machine that lets audio threads have real-time priority, the others are
of one that does not. Each block holds the frame time that JACK gave it, so what was lost is known from the sound.

JACK's dummy driver moves its frame time on by whole periods after an xrun, and its clock by the rest as well: by
the monotonic clock it may thus be some more frames on than it says. The clock is what the count has to follow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture.frames import FrameCounter
from rtcserver.clock import NS

TRACES = sorted((Path(__file__).parents[1] / "vectors" / "capture").glob("*.npz"))
SETTLED_NS = 1_100_000_000
"""After so long a loss must have been counted."""

Numbers = npt.NDArray[np.int64]


class Trace:
    """One recording: conversion times in ns, and where the device truly was, in frames, by sound and by clock."""

    def __init__(self, path: Path) -> None:
        recorded: Any = np.load(path)
        self.rate, self.blocksize = int(recorded["rate"]), int(recorded["blocksize"])
        self.adc_ns: Numbers = recorded["callback_ns"] - self.blocksize * NS // self.rate
        self.overflow: npt.NDArray[np.bool_] = recorded["overflow"]
        self.by_sound: Numbers = recorded["frame"] - recorded["frame"][0]

    @property
    def delivered(self) -> Numbers:
        return np.arange(len(self.adc_ns), dtype=np.int64) * self.blocksize

    def least_late_ns(self, frames: Numbers, begin_ns: int, end_ns: int) -> float:
        """By how much the most punctual block between two times of the trace came later than its frames say."""
        at = self.adc_ns - self.adc_ns[0]
        chosen = (at >= begin_ns) & (at < end_ns)
        return float(np.min(at[chosen] - frames[chosen] * NS / self.rate))

    def counted(self) -> tuple[Numbers, FrameCounter]:
        counter = FrameCounter(self.rate)
        numbers = [
            counter.advance(self.blocksize, adc, overflow=flag, lost_blocks=0, blocksize=self.blocksize)
            for adc, flag in zip(self.adc_ns.tolist(), self.overflow.tolist(), strict=True)
        ]
        return np.array(numbers, np.int64), counter


def slip_frames(trace: Trace) -> Numbers:
    """By how many frames the device's clock had slipped, beyond its own frame time, at each block: never less."""
    late = trace.adc_ns - trace.adc_ns[0] - trace.by_sound * NS / trace.rate
    # The least lateness from here on is no callback's own, as no callback is ever early.
    lasting = np.minimum.accumulate(late[::-1])[::-1]
    return np.ceil((lasting - lasting[0]) * trace.rate / NS).astype(np.int64)


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_count_follows_the_device_through_a_loaded_machine(path: Path) -> None:
    trace = Trace(path)
    numbers, counter = trace.counted()
    assert (np.diff(numbers) >= trace.blocksize).all(), "no frame number is given twice"
    lost = numbers - trace.delivered
    truly = trace.by_sound - trace.delivered
    assert (lost <= truly + np.maximum(slip_frames(trace), 0) + trace.blocksize).all(), (
        "never ahead by a block"
    )
    before = np.searchsorted(trace.adc_ns, trace.adc_ns - SETTLED_NS)
    assert (lost >= truly[before] - trace.blocksize).all(), "all that has stayed for a second is counted"
    assert counter.overflows == trace.overflow.sum()
    if truly[-1] == 0:
        assert counter.lost_frames == 0


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_a_quiet_end_brings_count_and_clock_together(path: Path) -> None:
    """The trace, then two seconds of the same device with nothing late: to one block, they agree."""
    trace = Trace(path)
    counter = trace.counted()[1]
    block_ns = trace.blocksize * NS / trace.rate
    late = trace.adc_ns - trace.adc_ns[0] - trace.delivered * NS / trace.rate
    ending = float(late[-20:].min())
    for number in range(len(late), len(late) + 2 * trace.rate // trace.blocksize):
        adc = int(trace.adc_ns[0]) + round(number * block_ns + ending)
        counter.advance(trace.blocksize, adc, overflow=False, lost_blocks=0, blocksize=trace.blocksize)
    beginning = trace.least_late_ns(trace.delivered, 0, NS // 4)
    off_ns = (ending - beginning) - (counter.lost_frames - counter.owed_frames) * NS / trace.rate
    assert abs(off_ns) <= block_ns


def test_the_traces_have_what_they_are_for() -> None:
    """Losses with and without the flag, and flags with nothing lost."""
    flagged = unflagged = innocent = 0
    for path in TRACES:
        trace = Trace(path)
        lost = np.diff(trace.by_sound) > trace.blocksize
        flags = trace.overflow[1:]
        flagged += int((lost & flags).sum())
        unflagged += int((lost & ~flags).sum())
        innocent += int((~lost & flags).sum())
    assert min(flagged, unflagged, innocent) >= 1

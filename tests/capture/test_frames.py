"""Device frames are counted exactly: losses add up, clocks that are off and late callbacks do not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rtcserver.capture.frames import FrameCounter
from rtcserver.clock import NS

MS = 1_000_000


@dataclass
class Device:
    """A simulated device: block *n* is converted at its own clock's n·blocksize/rate.

    ppm: how fast its clock runs. late_ns: what each block's stamp is late by, of a random kind.
    """

    rate: int = 44_100
    blocksize: int = 128
    ppm: float = 0.0
    frame: int = 0

    def stamp(self) -> int:
        return NS + round(self.frame * NS / (self.rate * (1 + self.ppm * 1e-6)))

    def blocks(self, count: int) -> Iterator[tuple[int, int]]:
        """``(device frame, true conversion time)`` of the next `count` blocks."""
        for _ in range(count):
            yield self.frame, self.stamp()
            self.frame += self.blocksize

    def lose(self, blocks: int) -> None:
        self.frame += blocks * self.blocksize


def advance(counter: FrameCounter, adc_ns: int, *, overflow: bool = False, lost_blocks: int = 0) -> int:
    return counter.advance(128, adc_ns, overflow=overflow, lost_blocks=lost_blocks, blocksize=128)


def test_a_punctual_device_is_counted_block_by_block() -> None:
    device, counter = Device(), FrameCounter(44_100)
    assert [advance(counter, at) for _, at in device.blocks(1000)] == list(range(0, 128_000, 128))
    assert (counter.lost_frames, counter.overflows) == (0, 0)
    assert counter.next_frame == 128_000


@pytest.mark.parametrize("ppm", [-500, 500])
@pytest.mark.parametrize(
    ("rate", "blocksize", "hours"), [(44_100, 1024, 4), (48_000, 512, 1), (192_000, 32, 0.02)]
)
def test_a_clock_that_is_off_never_looks_like_a_loss(
    ppm: float, rate: int, blocksize: int, hours: float
) -> None:
    """±500 ppm makes seconds in some hours. Every block is flagged, so that the eager threshold applies."""
    device, counter = Device(rate, blocksize, ppm), FrameCounter(rate)
    count = round(hours * 3600 * rate / blocksize)
    for frame, at in device.blocks(count):
        first = counter.advance(blocksize, at, overflow=True, lost_blocks=0, blocksize=blocksize)
        assert first == frame
    assert counter.lost_frames == 0
    assert counter.overflows == count


@pytest.mark.parametrize("ppm", [-500, 0, 500])
def test_flagged_losses_of_any_size_are_counted_exactly(ppm: float) -> None:
    device, counter, chance = Device(ppm=ppm), FrameCounter(44_100), random.Random(3)
    for _ in range(50):
        for frame, at in device.blocks(chance.randrange(300, 900)):
            assert advance(counter, at) == frame
        device.lose(chance.randrange(1, 400))
        [(frame, at)] = device.blocks(1)
        assert advance(counter, at, overflow=True) == frame
    assert counter.overflows == 50
    assert counter.next_frame == device.frame


def test_a_flag_without_a_jump_is_counted_but_loses_nothing() -> None:
    device, counter = Device(), FrameCounter(44_100)
    for frame, at in device.blocks(500):
        assert advance(counter, at, overflow=frame % 1280 == 0) == frame
    assert counter.overflows == 50
    assert counter.lost_frames == 0


@pytest.mark.parametrize("blocks", [14, 40, 1000])
def test_an_unflagged_loss_is_confirmed_by_time_and_then_counted_exactly(blocks: int) -> None:
    device, counter = Device(), FrameCounter(44_100)
    for _, at in device.blocks(100):
        advance(counter, at)
    before = device.frame
    device.lose(blocks)
    lost_at = device.stamp()
    for frame, at in device.blocks(60):
        first = advance(counter, at)
        if at - lost_at < counter.confirm_ns:
            assert first == frame - blocks * 128, "not before it is certain"
        else:
            assert first == frame
    assert counter.lost_frames == blocks * 128
    assert counter.next_frame == before + (blocks + 60) * 128


def test_an_unflagged_loss_is_exact_under_jitter() -> None:
    """Stamps are never early, often some milliseconds late: the least lateness is the truth."""
    device, counter, chance = Device(ppm=200), FrameCounter(44_100), random.Random(11)
    for _, at in device.blocks(2000):
        advance(counter, at + chance.randrange(6 * MS))
    device.lose(100)
    for _, at in device.blocks(200):
        advance(counter, at + chance.randrange(6 * MS))
    # The expectation is the mean of the jitter, so a block of 2.9 ms either way can be told no better.
    assert abs(counter.next_frame - device.frame) <= 128
    assert counter.lost_frames > 0


def test_blocks_that_the_reader_lost_are_known_without_any_clock() -> None:
    device, counter = Device(), FrameCounter(44_100)
    for _, at in device.blocks(10):
        advance(counter, at)
    device.lose(7)
    [(frame, at)] = device.blocks(1)
    assert advance(counter, at, lost_blocks=7) == frame
    assert counter.lost_frames == 7 * 128
    for frame, at in device.blocks(100):
        assert advance(counter, at) == frame


@pytest.mark.parametrize("stall_ms", [5, 39, 41, 90, 150, 400])
@pytest.mark.parametrize("blocksize", [32, 128, 1024])
def test_a_burst_of_late_callbacks_is_never_a_loss(stall_ms: int, blocksize: int) -> None:
    """The thread stood still and then delivers all at once: late stamps, not one frame lost."""
    device, counter = Device(48_000, blocksize), FrameCounter(48_000)
    stalls = [NS * second for second in range(2, 6)]
    until = 0
    for frame, at in device.blocks(48_000 * 6 // blocksize):
        while stalls and at >= stalls[0]:
            until = stalls.pop(0) + stall_ms * MS
        stamp = max(at, until)
        assert counter.advance(blocksize, stamp, overflow=False, lost_blocks=0, blocksize=blocksize) == frame
    assert counter.lost_frames == 0


def test_jitter_of_every_callback_is_never_a_loss() -> None:
    device, counter, chance = Device(ppm=-300), FrameCounter(44_100), random.Random(5)
    for frame, at in device.blocks(60_000):
        late = round(min(chance.expovariate(1 / (3 * MS)), 39 * MS))
        assert advance(counter, at + late) == frame
    assert counter.lost_frames == 0


def test_a_late_first_block_does_not_hide_a_later_loss() -> None:
    device, counter = Device(), FrameCounter(44_100)
    for number, (_, at) in enumerate(device.blocks(100)):
        advance(counter, at + (120 * MS if number == 0 else 0))
    device.lose(30)
    for _, at in device.blocks(60):
        advance(counter, at)
    assert counter.lost_frames == 30 * 128

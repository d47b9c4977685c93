"""Device frames are counted exactly: losses add up, clocks that are off and late callbacks do not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def advance(
    counter: FrameCounter,
    adc_ns: int,
    *,
    overflow: bool = False,
    lost_blocks: int = 0,
    certain: bool = False,
) -> int:
    return counter.advance(
        128, adc_ns, overflow=overflow, lost_blocks=lost_blocks, blocksize=128, certain=certain
    )


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
    """±500 ppm makes seconds in some hours. Every block is flagged, which decides nothing."""
    device, counter = Device(rate, blocksize, ppm), FrameCounter(rate)
    count = round(hours * 3600 * rate / blocksize)
    for frame, at in device.blocks(count):
        first = counter.advance(blocksize, at, overflow=True, lost_blocks=0, blocksize=blocksize)
        assert first == frame
    assert counter.lost_frames == 0
    assert counter.overflows == count


@pytest.mark.parametrize("ppm", [-500, 0, 500])
def test_losses_that_the_device_vouches_for_are_counted_exactly_at_once(ppm: float) -> None:
    device, counter, chance = Device(ppm=ppm), FrameCounter(44_100), random.Random(3)
    for _ in range(50):
        for frame, at in device.blocks(chance.randrange(300, 900)):
            assert advance(counter, at) == frame
        device.lose(chance.randrange(1, 400))
        [(frame, at)] = device.blocks(1)
        assert advance(counter, at, overflow=True, certain=True) == frame
    assert counter.overflows == 50
    assert counter.next_frame == device.frame


@pytest.mark.parametrize("flagged", [True, False])
@pytest.mark.parametrize("ppm", [-300, 0, 300])
@pytest.mark.parametrize(("rate", "blocksize"), [(44_100, 128), (48_000, 128), (48_000, 512)])
def test_a_loss_of_any_size_is_counted_exactly_when_it_has_stayed(
    rate: int, blocksize: int, ppm: float, flagged: bool
) -> None:
    """From one block on, with the device's flag or without, beside jitter of up to 4 ms."""
    device, counter, chance = Device(rate, blocksize, ppm), FrameCounter(rate), random.Random(7)
    lost = 0
    for blocks in (0, 1, 2, 1, 3, 20, 1, 400):
        device.lose(blocks)
        lost += blocks
        settled = device.stamp() + counter.settle_ns + 50 * MS
        for number, (frame, at) in enumerate(device.blocks(3 * rate // blocksize)):
            first = counter.advance(
                blocksize,
                at + chance.randrange(4 * MS),
                overflow=flagged and number == 0,
                lost_blocks=0,
                blocksize=blocksize,
            )
            assert first <= frame
            if at >= settled:
                assert first == frame
    assert (counter.lost_frames, counter.owed_frames) == (lost * blocksize, 0)


@pytest.mark.parametrize("late_ms", [1.6, 10.0, 39.0, 90.0, 700.0])
@pytest.mark.parametrize(("rate", "blocksize"), [(44_100, 128), (48_000, 512), (192_000, 32)])
def test_one_late_callback_with_the_overflow_flag_is_no_loss(
    rate: int, blocksize: int, late_ms: float
) -> None:
    """A late callback sets the flag on JACK; what was due meanwhile comes at once, and nothing is missing."""
    device, counter = Device(rate, blocksize), FrameCounter(rate)
    late_block, until, flagged = 2 * rate // blocksize, 0, False
    for frame, at in device.blocks(4 * rate // blocksize):
        if frame == late_block * blocksize:
            until = at + round(late_ms * MS)
        late = at < until
        first = counter.advance(
            blocksize,
            max(at, until) if late else at,
            overflow=late and not flagged,
            lost_blocks=0,
            blocksize=blocksize,
        )
        flagged = flagged or late
        assert first == frame
    assert flagged
    assert (counter.lost_frames, counter.overflows) == (0, 1)


def test_a_loss_within_a_burst_of_late_callbacks_is_counted_exactly() -> None:
    """The thread stands still for 60 ms, the device overruns after 30, and the rest comes at once."""
    device, counter = Device(), FrameCounter(44_100)
    for frame, at in device.blocks(700):
        assert advance(counter, at) == frame
    until = device.stamp() + 60 * MS
    for _, at in device.blocks(10):
        advance(counter, max(at, until))
    device.lose(11)
    for number, (frame, at) in enumerate(device.blocks(700)):
        first = advance(counter, max(at, until), overflow=number == 0)
        assert first in (frame, frame - 11 * 128), "whole, or not yet"
        if at > until + counter.settle_ns:
            assert first == frame


def test_a_backlog_that_is_worked_off_slowly_is_no_loss() -> None:
    """After a standstill of 0.6 s a busy machine takes twice as long as it lasted to catch up."""
    device, counter = Device(48_000, 512), FrameCounter(48_000)
    for frame, at in device.blocks(1000):
        late = max(0, 600 * MS - (at - 3 * NS) // 2) if at >= 3 * NS else 0
        assert counter.advance(512, at + late, overflow=late > 0, lost_blocks=0, blocksize=512) == frame
    assert counter.lost_frames == 0


def test_what_was_wrongly_taken_for_lost_pays_for_the_next_loss() -> None:
    """Three seconds of lateness by two blocks that then goes away: the count waits for the device."""
    device, counter = Device(), FrameCounter(44_100)
    numbers = []
    for number, (_, at) in enumerate(device.blocks(3000)):
        numbers.append(advance(counter, at + (round(2 * 128 * NS / 44_100) if 700 <= number < 1700 else 0)))
    assert (counter.lost_frames, counter.owed_frames) == (256, 256)
    assert all(after > before for before, after in pairwise(numbers)), "never back"
    device.lose(5)
    for _, at in device.blocks(700):
        advance(counter, at)
    assert (counter.lost_frames, counter.owed_frames) == (5 * 128, 0)
    assert counter.next_frame == device.frame


def test_one_stamp_that_is_far_too_early_changes_nothing() -> None:
    device, counter = Device(), FrameCounter(44_100)
    for number, (frame, at) in enumerate(device.blocks(3000)):
        assert advance(counter, at - (9 * MS if number == 1000 else 0)) == frame
    assert counter.lost_frames == 0


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
    assert counter.next_frame == device.frame


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_what_was_never_made_in_a_rest_counts_and_is_not_lost(rate: int) -> None:
    """A day and a night, between two blocks."""
    counter = FrameCounter(rate)
    for n in range(10):
        assert advance(counter, n * 128 * NS // rate) == n * 128
    later = 86_400 * rate // 128 * 128
    first = counter.advance(
        128, later * NS // rate, overflow=False, lost_blocks=0, blocksize=128, rested=True
    )
    assert first == later
    assert advance(counter, (later + 128) * NS // rate) == later + 128
    assert counter.lost_frames == counter.overflows == 0


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


@settings(max_examples=60, deadline=None)
@given(
    ppm=st.integers(-150, 150),
    shape=st.sampled_from([(44_100, 128), (48_000, 128), (48_000, 512)]),
    jitter_ms=st.floats(0, 6),
    # Every three seconds something happens: blocks are lost, or the callbacks stand still for so many ms.
    events=st.lists(
        st.one_of(
            st.tuples(st.just("lose"), st.integers(1, 60), st.booleans()),
            st.tuples(st.just("stall"), st.integers(1, 900), st.booleans()),
            st.tuples(st.just("both"), st.integers(1, 60), st.booleans()),
        ),
        max_size=5,
    ),
    seed=st.integers(0, 2**16),
)
def test_whatever_happens_count_and_device_agree_to_a_block_when_it_is_over(
    ppm: int, shape: tuple[int, int], jitter_ms: float, events: list[tuple[str, int, bool]], seed: int
) -> None:
    rate, blocksize = shape
    device, counter, chance = Device(rate, blocksize, ppm), FrameCounter(rate), random.Random(seed)
    before = -1

    def play(until: int, flagged: bool) -> None:
        nonlocal before
        for number, (frame, at) in enumerate(device.blocks(3 * rate // blocksize)):
            stamp = max(until, at + round(chance.uniform(0, jitter_ms) * MS))
            first = counter.advance(
                blocksize, stamp, overflow=flagged and number == 0, lost_blocks=0, blocksize=blocksize
            )
            assert before < first <= frame + blocksize
            before = first + blocksize - 1
        assert abs(first - frame) <= blocksize

    play(0, False)
    for kind, size, flagged in events:
        if kind != "stall":
            device.lose(size)
        play(device.stamp() + (size * MS if kind != "lose" else 0), flagged)

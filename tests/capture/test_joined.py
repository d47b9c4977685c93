"""Blocks that are rendered together are what single ones would have been, and come no later."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture import fluid
from rtcserver.capture.block import StreamFormat
from rtcserver.capture.fluid import FluidSynthSource
from rtcserver.capture.ring import FLAG_LOST, BlockRing
from rtcserver.capture.source import ClockedSource
from rtcserver.clock import NS
from rtcserver.config.model import InstrumentConfig

RATE, SIZE = 48_000, 128
SEVERAL = (4, 4, 4, 3, 1, 4, 8)


def played(monkeypatch: pytest.MonkeyPatch, *, demo: bool, together: bool) -> npt.NDArray[np.int16]:
    """Two seconds with notes that come at odd times, some of them for later, in single blocks or several at once."""
    source = FluidSynthSource(InstrumentConfig(demo=demo))
    source.start_ns = NS
    now_ns = 0
    monkeypatch.setattr(fluid, "monotonic_ns", lambda: now_ns)
    chance = np.random.default_rng(4)
    events = []
    for at in sorted(chance.uniform(0, 1.8, 40)):
        key, later = int(chance.integers(40, 90)), int(chance.integers(0, 3)) * 4_321_000
        events.append((NS + round(at * NS), "on", key, later))
        events.append((NS + round((at + 0.2) * NS), "off", key, 0))
    events.append((NS + round(1.5 * NS), "release", 0, 0))
    events.sort()
    parts: list[npt.NDArray[np.int16]] = []
    block = turn = 0
    while block < 2 * RATE // SIZE:
        count = SEVERAL[turn % len(SEVERAL)] if together else 1
        turn += 1
        # A single block is asked for when it begins, several when the last of them does.
        begins = NS + (block + count - 1) * SIZE * NS // RATE
        while events and events[0][0] <= begins:
            now_ns, what, key, later = events.pop(0)
            if what == "release":
                source.release(1)
            else:
                message = bytes((0x90 if what == "on" else 0x80, key, 100))
                source.midi(message, now_ns + later if later else 0, 1)
        if count == 1:
            parts.append(source.render(SIZE, block * SIZE))
        else:
            parts.append(source.render_blocks(count, block * SIZE))
        block += count
    source.close()
    return np.concatenate(parts)[: 2 * RATE]


@pytest.mark.unhurried("samples that are computed here, on a clock that stands still")
@pytest.mark.parametrize("demo", [False, True])
def test_the_synthesizer_plays_the_same_samples_however_many_blocks_at_once(
    monkeypatch: pytest.MonkeyPatch, demo: bool
) -> None:
    single = played(monkeypatch, demo=demo, together=False)
    joined = played(monkeypatch, demo=demo, together=True)
    assert np.abs(single).max() > 1000
    # The limiter's exponentials are of another length: the last bit may differ where it is at work.
    assert np.abs(single.astype(np.int32) - joined).max() <= 1


class Counting(ClockedSource):
    """Its samples are their own frame numbers."""

    joins = True

    def __init__(self) -> None:
        super().__init__("counting", StreamFormat(RATE, 2, SIZE))
        self.asked: list[int] = []

    def render(self, frames: int, first_frame: int) -> npt.NDArray[np.float32]:
        self.asked.append(frames // SIZE)
        return np.repeat(np.arange(first_frame, first_frame + frames, dtype=np.float32)[:, None], 2, axis=1)

    def render_blocks(self, count: int, first_frame: int) -> npt.NDArray[np.float32]:
        return self.render(count * self.stream.blocksize, first_frame)


def test_a_source_makes_as_many_blocks_at_once_as_its_reader_waits_for() -> None:
    source = Counting()
    _, ring = source.open()
    ring.want(4, 4)
    deadline = time.monotonic() + 20
    first = 0
    while len(source.asked) < 40:
        assert time.monotonic() < deadline
        while (item := ring.read(4)) is not None:
            block, flags, lost = item
            assert (flags, lost) == (0, 0)
            samples = np.frombuffer(block.data, np.float32)[::2]
            assert np.array_equal(samples, np.arange(first, first + block.frames))
            assert block.arrived_ns >= block.adc_ns + block.frames * NS // RATE, (
                "not before its last frame is over"
            )
            assert block.adc_ns == pytest.approx(source.start_ns + first * NS // RATE, abs=3)
            first += block.frames
        ring.want(4, 4)
        time.sleep(0.001)
    # Whoever wants single blocks gets them, as soon as what is under way is over.
    ring.want(1)
    asked = len(source.asked)
    while len(source.asked) < asked + 20:
        assert time.monotonic() < deadline
        ring.want(1)
        time.sleep(0.001)
    source.close()
    ring.close()
    # A reader that comes late finds some of its four there already.
    assert sum(source.asked[5:asked]) > 1.5 * (asked - 5)
    assert set(source.asked[asked + 2 :]) == {1}


@pytest.mark.unhurried("a ring that is written and read here")
def test_several_blocks_are_put_in_as_single_ones_are() -> None:
    stream = StreamFormat(RATE, 2, 16, "int16")
    ring = BlockRing(stream, slots=8)
    number = 0
    for count in (3, 4, 5, 7, 1, 6):
        assert not ring.want(count, 2)
        assert ring.wanted == count
        data = np.repeat(np.arange(number, number + count, dtype=np.int16), 32)
        ring.put_blocks(memoryview(data).cast("B"), count, 99, 1000 + number, FLAG_LOST)
        assert ring.wanted == 2
        for at in range(count):
            item = ring.read()
            assert item is not None
            block, flags, lost = item
            assert (flags, lost) == (FLAG_LOST if at == 0 else 0, 0)
            assert set(np.frombuffer(block.data, np.int16)) == {number + at}
            assert (block.frames, block.arrived_ns) == (16, 99)
            assert block.adc_ns == pytest.approx(1000 + number + at * 16 * NS // RATE, abs=1)
        number += count
    ring.close()

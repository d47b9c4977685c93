"""The clocked sources: stamps that are exact whatever the thread does, and the sound that they promise."""

from __future__ import annotations

import threading
import time

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture import plugin
from rtcserver.capture.block import Block, StreamFormat, to_float
from rtcserver.capture.frames import FrameCounter
from rtcserver.capture.ring import FLAG_LOST, FLAG_OVERFLOW, FLAG_RESTED, BlockRing
from rtcserver.capture.source import ClockedSource
from rtcserver.capture.tone import ToneSource
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig

Floats = npt.NDArray[np.float32]


def blocks(ring: BlockRing, count: int) -> list[tuple[Block, int]]:
    """The next `count` blocks with their flags, samples copied out of the ring."""
    found = []
    deadline = time.monotonic() + 10
    while len(found) < count:
        assert time.monotonic() < deadline
        item = ring.read()
        if item is None:
            time.sleep(0.002)
            continue
        block, flags, lost = item
        assert lost == 0
        data = memoryview(bytes(block.data))
        found.append((Block(data, block.frames, 0, block.arrived_ns, block.adc_ns), flags))
    return found


class Counting(ClockedSource):
    """Its samples are their own frame numbers; `stall_s` once, at block `stall_at`."""

    def __init__(self, stall_at: int = -1, stall_s: float = 0.0) -> None:
        super().__init__("counting", StreamFormat(48_000, 2, 480))
        self.asked: list[int] = []
        self._stall_at, self._stall_s = stall_at, stall_s

    def render(self, frames: int, first_frame: int) -> Floats:
        if len(self.asked) == self._stall_at:
            threading.Event().wait(self._stall_s)
        self.asked.append(first_frame)
        return np.repeat(np.arange(first_frame, first_frame + frames, dtype=np.float32)[:, None], 2, axis=1)


def test_stamps_follow_the_frame_count_and_nothing_else() -> None:
    source = Counting()
    stream, ring = source.open()
    taken = blocks(ring, 30)
    source.close()
    ring.close()
    start = taken[0][0].adc_ns
    for number, (block, flags) in enumerate(taken):
        assert block.adc_ns == pytest.approx(start + number * 480 * NS // 48_000, abs=2)
        assert block.arrived_ns >= block.adc_ns + 480 * NS // 48_000, "never before its last frame is over"
        assert flags == 0
        assert to_float(block.data, stream, block.frames)[0, 0] == number * 480


def test_a_short_stall_is_made_up_for_without_loss() -> None:
    source = Counting(stall_at=5, stall_s=0.2)
    _, ring = source.open()
    taken = blocks(ring, 40)
    source.close()
    ring.close()
    assert source.asked[:40] == list(range(0, 40 * 480, 480))
    assert {flags for _, flags in taken} == {0}


def test_a_long_stall_loses_whole_blocks_and_says_so() -> None:
    """As of a suspended machine. The frame counter, told by flag and stamp, agrees with the source."""
    source = Counting(stall_at=5, stall_s=1.0)
    stream, ring = source.open()
    taken = blocks(ring, 30)
    source.close()
    ring.close()
    assert [number for number, (_, flags) in enumerate(taken) if flags == FLAG_OVERFLOW | FLAG_LOST] == [5]
    counter = FrameCounter(48_000)
    numbers = [
        counter.advance(
            b.frames,
            b.adc_ns,
            overflow=bool(flags & FLAG_OVERFLOW),
            lost_blocks=0,
            blocksize=480,
            certain=bool(flags & FLAG_LOST),
        )
        for b, flags in taken
    ]
    assert counter.lost_frames % 480 == 0
    assert counter.lost_frames >= 0.4 * 48_000
    # The block after the stalled one was asked for by its true number.
    assert numbers[6:] == source.asked[6:30]
    assert to_float(taken[6][0].data, stream, 480)[0, 0] == numbers[6]


def test_a_source_that_rests_renders_nothing_and_goes_on_at_the_frame_that_is_due() -> None:
    source = Counting()
    stream, ring = source.open()
    before = blocks(ring, 3)
    source.rest(allowed=True)
    deadline = time.monotonic() + 10
    while not source.resting:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    before += blocks(ring, len(source.asked) - 3)
    time.sleep(0.3)
    assert ring.read() is None
    woken_ns = monotonic_ns()
    source.rest(allowed=False)
    after = blocks(ring, 5)
    source.close()
    ring.close()
    assert [flags for _, flags in before + after] == [0] * len(before) + [FLAG_RESTED, 0, 0, 0, 0]
    first = after[0][0]
    # The block that was under way: it began before it was woken, by less than its length (and what waking takes).
    assert first.adc_ns + 480 * NS // 48_000 > woken_ns
    counter = FrameCounter(48_000)
    numbers = [
        counter.advance(
            b.frames, b.adc_ns, overflow=False, lost_blocks=0, blocksize=480, rested=bool(flags & FLAG_RESTED)
        )
        for b, flags in before + after
    ]
    assert numbers == source.asked[: len(numbers)]
    assert numbers[len(before)] - numbers[len(before) - 1] >= 0.3 * 48_000
    assert [to_float(b.data, stream, 480)[0, 0] for b, _ in after] == numbers[len(before) :]
    assert counter.lost_frames == 0


def test_a_resting_source_can_be_closed() -> None:
    source = Counting()
    _, ring = source.open()
    source.rest(allowed=True)
    blocks(ring, 1)
    source.close()
    ring.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "source"]


@pytest.mark.parametrize("may_rest", [False, True])
def test_a_plug_in_rests_only_if_its_author_says_so(may_rest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Quiet(plugin.Instrument):
        def render(self, frames: int, first_frame: int) -> Floats:
            return np.zeros(frames, np.float32)

    Quiet.may_rest = may_rest
    monkeypatch.setattr(plugin, "load", lambda key: Quiet)
    monkeypatch.setattr(plugin, "TAIL_NS", NS // 5)
    source = plugin.PluginSource(InstrumentConfig(instrument="quiet", blocksize=480))
    source.rest(allowed=True)
    _, ring = source.open()
    played_ns = monotonic_ns()
    source.midi(bytes((0x90, 60, 100)))
    deadline = time.monotonic() + (10 if may_rest else 0.5)
    while not source.resting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.resting == may_rest
    assert monotonic_ns() - played_ns > plugin.TAIL_NS, "a note may still sound"
    source.midi(bytes((0x80, 60, 64)))
    while ring.read() is not None:
        pass
    blocks(ring, 1)
    source.close()
    ring.close()


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_the_tone_has_its_frequencies_and_level_after_days_too(rate: int) -> None:
    config = InstrumentConfig(
        instrument="tone", samplerate=rate, tone_left_hz=441, tone_right_hz=1234, tone_dbfs=-6
    )
    source = ToneSource(config)
    later = 5 * 86_400 * rate
    for first in (0, later):
        samples = source.render(rate, first).astype(np.float64)
        spectrum = np.abs(np.fft.rfft(samples, axis=0)) / (rate / 2)
        assert spectrum.argmax(axis=0).tolist() == [441, 1234]
        assert 20 * np.log10(spectrum.max(axis=0)) == pytest.approx(-6, abs=0.001)
        for column, hz in enumerate((441, 1234)):
            assert np.delete(spectrum[:, column], hz).max() < 1e-5
    whole = source.render(400, 0)
    parts = np.concatenate([source.render(100, first) for first in range(0, 400, 100)])
    assert np.abs(whole - parts).max() < 1e-6

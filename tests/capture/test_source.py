"""The clocked sources: stamps that are exact whatever the thread does, and the sound that they promise."""

from __future__ import annotations

import threading
import time
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.capture.block import Block, StreamFormat, to_float
from rtcserver.capture.file import FileSource, decode
from rtcserver.capture.frames import FrameCounter
from rtcserver.capture.ring import FLAG_LOST, FLAG_OVERFLOW, BlockRing
from rtcserver.capture.source import ClockedSource
from rtcserver.capture.tone import ToneSource
from rtcserver.clock import NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError

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


def write_wav(path: Path, samples: npt.NDArray[np.int16], rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def file_config(path: Path | str, **settings: int) -> InstrumentConfig:
    return InstrumentConfig(instrument="file", file=str(path), **settings)  # type: ignore[arg-type]  # keys of ints


def test_a_file_is_looped_without_a_gap(tmp_path: Path) -> None:
    ramp = np.arange(1000, dtype=np.int16)
    path = write_wav(tmp_path / "ramp.wav", np.stack([ramp, -ramp], axis=1), 48_000)
    source = FileSource(file_config(path))
    assert source.name == "ramp.wav"
    assert source.stream.channels == 2
    played = np.concatenate([source.render(300, first) for first in range(0, 3000, 300)])
    assert np.round(played[:, 0] * 32768).astype(int).tolist() == list(range(1000)) * 3
    assert (played[:, 1] == -played[:, 0]).all()


def test_a_mono_file_of_another_rate_is_heard_on_both_sides_at_its_pitch(tmp_path: Path) -> None:
    tone = (8000 * np.sin(2 * np.pi * 500 * np.arange(44_100) / 44_100)).astype(np.int16)
    samples = decode(write_wav(tmp_path / "tone.wav", tone[:, None], 44_100), 48_000)
    assert len(samples) == pytest.approx(48_000, abs=64)
    assert (samples[:, 0] == samples[:, 1]).all()
    assert np.abs(np.fft.rfft(samples[:48_000, 0], 48_000)).argmax() == 500


def test_a_file_may_be_played_at_another_device_rate(tmp_path: Path) -> None:
    tone = (8000 * np.sin(2 * np.pi * 500 * np.arange(48_000) / 48_000)).astype(np.int16)
    path = write_wav(tmp_path / "tone.wav", np.stack([tone, tone], axis=1), 48_000)
    source = FileSource(file_config(path, samplerate=96_000))
    assert source.stream.rate == 96_000
    assert np.abs(np.fft.rfft(source.render(96_000, 0)[:, 0])).argmax() == 500


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (None, "missing", "does not exist"),
        (b"", "format", "cannot be read"),
        (b"this is no sound at all" * 100, "format", "cannot be read"),
    ],
)
def test_what_is_no_sound_file_is_refused_by_its_name(
    tmp_path: Path, content: bytes | None, code: str, said: str
) -> None:
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InstrumentError, match=said) as caught:
        FileSource(file_config(path))
    assert caught.value.code == code
    assert "broken.wav" in str(caught.value)


def test_a_folder_no_name_and_a_file_without_samples_are_refused(tmp_path: Path) -> None:
    empty = write_wav(tmp_path / "empty.wav", np.zeros((0, 2), np.int16), 48_000)
    for path, code in ((tmp_path, "missing"), ("", "missing"), (empty, "format")):
        with pytest.raises(InstrumentError, match="file:") as caught:
            FileSource(file_config(path))
        assert caught.value.code == code

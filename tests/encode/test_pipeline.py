"""From blocks to packets: what a packet is stamped with is what it decodes to, to the sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import opuslib
import pytest

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.capture.mix import stereo_mix
from rtcserver.encode.framing import Framer
from rtcserver.encode.opus import OpusEncoder
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.pipeline import EncodePipeline, EncoderRun
from rtcserver.encode.resample import SincResampler
from rtcserver.encode.timeline import Epoch

BASE = 48_000


def encode(
    samples: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    rate: int,
    frame: int,
    *,
    lose: tuple[int, int] | None = None,
    bitrate_bps: int = 256_000,
) -> list[EncodedPacket]:
    """`samples` through a pipeline in blocks of 128; lose: device frames [from, to) that never arrive."""
    stream = StreamFormat(rate, 2, 128)
    encoder = OpusEncoder(frame, bitrate_bps)
    runs = [EncoderRun(0, Framer(frame), encoder)]
    pipeline = EncodePipeline(stream, stereo_mix("1,2", "", 2), Epoch(1, BASE, rate), runs)
    packets = []
    for first in range(0, len(samples) - 127, 128):
        if lose is not None and lose[0] <= first < lose[1]:
            continue
        data = memoryview(np.ascontiguousarray(samples[first : first + 128]).tobytes())
        packets += list(pipeline.push(Block(data, 128, first, 0, 0)))
    encoder.close()
    return packets


def decode(
    packets: list[EncodedPacket], frame: int
) -> tuple[int, np.ndarray[tuple[int, int], np.dtype[np.int16]]]:
    """(media time of the first sample, samples); what is missing in between is silence."""
    decoder = opuslib.Decoder(48_000, 2)
    start = packets[0].media_time
    out = np.zeros((packets[-1].media_time + frame - start, 2), np.int16)
    for packet in packets:
        at = packet.media_time - start
        pcm = np.frombuffer(decoder.decode(packet.payload, frame), np.int16).reshape(-1, 2)
        out[at : at + frame] = pcm
    return start, out


def chirp(count: int, rate: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A sweep, whose place can be found to the sample."""
    t = np.arange(count) / rate
    wave = 0.4 * np.sin(2 * np.pi * (300 * t + 3000 * t * t / (2 * count / rate)))
    return np.repeat(wave.astype(np.float32)[:, None], 2, axis=1)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("frame", [120, 240, 480, 960])
def test_a_packet_decodes_to_the_media_time_it_is_stamped_with(rate: int, frame: int) -> None:
    packets = encode(chirp(rate, rate), rate, frame)
    assert all(packet.media_time % frame == 0 for packet in packets)
    start, heard = decode(packets, frame)
    # The same sweep, computed at 48 kHz at the media times that the packets claim.
    t = (np.arange(len(heard)) + start - BASE) / 48_000
    wanted = 0.4 * np.sin(2 * np.pi * (300 * t + 3000 * t * t / 2))
    middle = slice(12_000, 36_000)
    lags = range(-8, 9)
    fits = [np.dot(np.roll(heard[:, 0].astype(float), lag)[middle], wanted[middle]) for lag in lags]
    assert abs(lags[int(np.argmax(fits))]) <= 1


def test_lost_frames_move_the_timeline_by_exactly_what_was_lost() -> None:
    lost = (128 * 100, 128 * 160)
    packets = encode(chirp(44_100, 44_100), 44_100, 480, lose=lost)
    start, heard = decode(packets, 480)
    t = (np.arange(len(heard)) + start - BASE) / 48_000
    wanted = 0.4 * np.sin(2 * np.pi * (300 * t + 3000 * t * t / 2))
    after = slice(round(lost[1] / 44_100 * 48_000) + 3000, 44_000)
    lags = range(-8, 9)
    fits = [np.dot(np.roll(heard[:, 0].astype(float), lag)[after], wanted[after]) for lag in lags]
    assert abs(lags[int(np.argmax(fits))]) <= 1
    steps = {b.media_time - a.media_time for a, b in pairwise(packets)}
    # 7,680 frames are 8,359 samples: seventeen frames of which nothing, or not all, is known.
    assert max(steps) > 480
    assert all(step % 480 == 0 for step in steps)


def test_the_resampler_is_aligned_and_holds_back_a_millisecond() -> None:
    resampler = SincResampler(44_100)
    pulse = np.zeros((44_100, 2), np.float32)
    pulse[14_700] = 1.0
    out, behind = [], []
    taken = 0
    for first in range(0, 44_032, 128):
        piece = resampler.process(pulse[first : first + 128])
        out.append(piece)
        taken += len(piece)
        behind.append((first + 128) / 44_100 - taken / 48_000)
    joined = np.concatenate(out)
    assert int(np.argmax(joined[:, 0])) == 16_000
    assert max(behind[10:]) < 1.5e-3


def test_the_bitrate_changes_while_running() -> None:
    encoder = OpusEncoder(480, 64_000)
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (480, 2)).astype(np.float32)

    def mean() -> float:
        return float(np.mean([len(encoder.encode_bytes(noise.tobytes())) for _ in range(50)]))

    low = mean()
    encoder.set_bitrate(256_000)
    high = mean()
    assert low == pytest.approx(64_000 / 8 / 100, rel=0.25)
    assert high == pytest.approx(256_000 / 8 / 100, rel=0.25)
    assert encoder.lookahead == 120
    assert encoder.encoded == 100


def test_what_passes_by_is_metered_and_what_follows_is_encoded_anew() -> None:
    """After an hour in which nobody read: no frame of before, none that is half silence, and the right media times."""
    rate = 44_100
    stream = StreamFormat(rate, 2, 128)
    encoder = OpusEncoder(480, 256_000)
    runs = [EncoderRun(0, Framer(480), encoder)]
    pipeline = EncodePipeline(stream, stereo_mix("1,2", "", 2), Epoch(1, BASE, rate), runs)
    sound = chirp(2 * rate, rate)

    def block(first: int, at: int) -> Block:
        return Block(memoryview(sound[at : at + 128].tobytes()), 128, first, 0, 0)

    for at in range(0, 1280, 128):
        list(pipeline.push(block(at, at)))
    pipeline.take_peak()
    loud = Block(memoryview(np.array([[0.25, -0.75]] * 128, np.float32).tobytes()), 128, 1280, 0, 0)
    pipeline.pass_by(loud)
    assert pipeline.take_peak() == (0.25, 0.75)
    assert pipeline.take_peak() == (0.0, 0.0)
    hour = 3600 * rate // 128 * 128
    packets = [packet for at in range(0, rate, 128) for packet in pipeline.push(block(hour + at, at))]
    encoder.close()
    begins = pipeline.epoch.media_time(hour)
    assert begins - 480 < packets[0].media_time - 480 < begins + 480
    assert all(b.media_time - a.media_time == 480 for a, b in pairwise(packets))
    # It decodes to the sound of its own time.
    start, decoded = decode(packets, 480)
    expected = chirp(2 * 48_000, 48_000)[start - begins : start - begins + len(decoded)]
    settled = slice(4_800, len(expected) - 480)
    difference = decoded[settled] / 32768 - expected[settled]
    assert np.sqrt(np.mean(difference**2)) < 0.1 * np.sqrt(np.mean(expected[settled] ** 2))

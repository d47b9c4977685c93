"""Silence keeps the timeline alive, and real packets win over it."""

from __future__ import annotations

import itertools

import numpy as np
import opuslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.clock import samples_to_ns
from rtcserver.encode.continuity import BURST_NS, STALL_NS, Continuity
from rtcserver.encode.opus import OPUS
from rtcserver.encode.packet import EncodedPacket

FRAMES = (120, 240, 480, 960)
MS = 1_000_000


def real(media_time: int, captured_ns: int, frame: int = 480, epoch: int = 1) -> EncodedPacket:
    return EncodedPacket(media_time, frame, captured_ns, epoch, b"music")


@pytest.mark.parametrize("frame", FRAMES)
def test_the_constant_payload_decodes_to_silence_of_the_right_length(frame: int) -> None:
    encoder = opuslib.Encoder(48_000, 2, opuslib.APPLICATION_RESTRICTED_LOWDELAY)
    decoder = opuslib.Decoder(48_000, 2)
    silence = OPUS.silence(frame)
    # After real music, so that a payload that merely repeats or fades the decoder's state is noticed.
    noise = np.random.default_rng(7).integers(-9000, 9000, (frame, 2), dtype=np.int16)
    for _ in range(5):
        loud = decoder.decode(encoder.encode(noise.tobytes(), frame), 960)
        assert np.abs(np.frombuffer(loud, np.int16).astype(int)).max() > 1000
    for _ in range(int(48_000 / frame)):
        pcm = np.frombuffer(decoder.decode(silence, 960), np.int16)
        assert len(pcm) == frame * 2
    # The overlap and the decoder's de-emphasis ring out; what remains is exactly zero.
    assert np.abs(pcm.astype(int)).max() <= 1


def test_other_frame_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="441"):
        Continuity(OPUS, 441)


def test_nothing_is_due_before_the_timeline_begins() -> None:
    continuity = Continuity(OPUS, 480)
    assert continuity.due_ns() is None
    assert continuity.poll(10**12) == []


@pytest.mark.parametrize("frame", FRAMES)
def test_a_punctual_feed_passes_unchanged(frame: int) -> None:
    continuity = Continuity(OPUS, frame)
    step = samples_to_ns(frame)
    packets = [real(n * frame, 10**9 + n * step, frame) for n in range(200)]
    out = []
    for packet in packets:
        out += continuity.poll(packet.captured_ns)
        out += continuity.push(packet, packet.captured_ns + MS)
    assert out == packets
    assert (continuity.silent, continuity.stale, continuity.skipped_samples) == (0, 0, 0)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_stalled_feed_becomes_silence_on_the_same_grid(frame: int) -> None:
    continuity = Continuity(OPUS, frame)
    step = samples_to_ns(frame)
    captured = 5 * 10**9
    continuity.push(real(frame * 3, captured, frame), captured)
    due = continuity.due_ns()
    assert due == captured + step + STALL_NS
    assert continuity.poll(due - 1) == []
    out = []
    end = captured + 10**9
    while due <= end:
        fresh = continuity.poll(due)
        assert fresh
        out += fresh
        due = continuity.due_ns()
        assert due is not None
    assert [packet.media_time for packet in out] == [frame * (4 + n) for n in range(10**9 // step)]
    assert {packet.payload for packet in out} == {OPUS.silence(frame)}
    assert {packet.duration for packet in out} == {frame}
    for packet in out:
        # Each frame's time on the real clock, to the nanosecond of rounding.
        assert abs(packet.captured_ns - captured - samples_to_ns(packet.media_time + frame - 4 * frame)) <= 1
    assert continuity.silent == len(out)
    assert continuity.skipped_samples == 0


def test_the_real_packets_that_come_back_late_are_dropped_until_they_are_new() -> None:
    continuity = Continuity(OPUS, 480)
    continuity.push(real(0, 0), 0)
    emitted = continuity.poll(100 * MS)
    following = emitted[-1].media_time + 480
    backlog = [real(n * 480, n * 10 * MS) for n in range(1, 20)]
    out = [packet for old in backlog for packet in continuity.push(old, 101 * MS)]
    assert [packet.media_time for packet in out] == list(range(following, 20 * 480, 480))
    assert continuity.stale == len(backlog) - len(out)


def test_while_stale_packets_flow_there_is_no_silence_and_the_device_catches_up() -> None:
    continuity = Continuity(OPUS, 480)
    continuity.push(real(0, 0), 0)
    now = 10**9
    while (due := continuity.due_ns()) is not None and due <= now:
        continuity.poll(due)
    silent = continuity.silent
    ahead = continuity.next_media_time
    assert ahead is not None
    # The new epoch is 100 ms behind what silence has already covered.
    out: list[EncodedPacket] = []
    for n in range(20):
        now += 10 * MS
        out += continuity.push(real(ahead - 4800 + n * 480, now, epoch=2), now)
        out += continuity.poll(now + 9 * MS)
    assert continuity.silent == silent
    assert continuity.stale == 10
    assert [packet.media_time for packet in out] == [ahead + n * 480 for n in range(10)]


def test_gaps_pass_through_as_jumps() -> None:
    continuity = Continuity(OPUS, 480)
    continuity.push(real(0, 0), 0)
    assert continuity.push(real(1440, 40 * MS), 40 * MS) == [real(1440, 40 * MS)]
    assert continuity.skipped_samples == 960


def test_a_suspended_consumer_makes_a_bounded_burst() -> None:
    continuity = Continuity(OPUS, 480)
    continuity.push(real(0, 0), 0)
    hour = 3600 * 10**9
    burst = continuity.poll(hour)
    assert len(burst) == BURST_NS // (10 * MS)
    assert burst[-1].media_time + 480 == hour // (10 * MS) * 480 + 480
    assert continuity.skipped_samples == burst[0].media_time - 480
    assert continuity.poll(hour) == []


def test_a_room_without_a_device_runs_from_its_anchor() -> None:
    continuity = Continuity(OPUS, 960)
    continuity.start(1000, 10**9)
    due = continuity.due_ns()
    assert due is not None
    out = continuity.poll(due)
    # The first multiple of the frame at or after the anchor, and at the matching time.
    assert out[0].media_time == 1920
    assert out[0].captured_ns == 10**9 + samples_to_ns(920 + 960)
    first = real(out[-1].media_time + 960, due + 20 * MS, 960)
    assert continuity.push(first, due + 20 * MS) == [first]


def test_where_a_packet_is_expected_it_comes_before_any_silence() -> None:
    """The room has been at rest for an hour, since its anchor. Its first packet was captured before the listener came."""
    hour = 3600 * 10**9
    continuity = Continuity(OPUS, 480)
    continuity.start(0, 0, hour)
    assert continuity.poll(hour) == []
    first = real(3600 * 48_000 - 960, hour + 10 * MS)
    assert continuity.push(first, hour + 10 * MS) == [first]
    assert continuity.skipped_samples == 0
    assert continuity.push(first, hour + 11 * MS) == []


def test_where_the_packet_does_not_come_there_is_silence_in_its_place() -> None:
    hour = 3600 * 10**9
    continuity = Continuity(OPUS, 480)
    continuity.start(0, 0, hour)
    out = continuity.poll(hour + 60 * MS)
    assert [packet.media_time for packet in out] == [3600 * 48_000 + 480 * n for n in range(6)]
    assert continuity.push(real(3600 * 48_000, hour + 61 * MS), hour + 61 * MS) == []


def test_start_does_not_disturb_a_running_timeline() -> None:
    continuity = Continuity(OPUS, 480)
    continuity.push(real(48_000, 0), 0)
    continuity.start(0, 0)
    assert continuity.next_media_time == 48_480


@given(
    frame=st.sampled_from(FRAMES),
    steps=st.lists(
        st.tuples(st.integers(0, 120), st.integers(-30, 30), st.booleans()), min_size=1, max_size=60
    ),
)
def test_media_time_always_moves_forward_on_the_grid(frame: int, steps: list[tuple[int, int, bool]]) -> None:
    continuity = Continuity(OPUS, frame)
    continuity.start(0, 0)
    now = 0
    out: list[EncodedPacket] = []
    for wait_ms, offset, arrives in steps:
        now += wait_ms * MS
        if arrives:
            media = max(0, (now * 48 // MS) // frame + offset) * frame
            out += continuity.push(real(media, now, frame), now)
        else:
            out += continuity.poll(now)
            due = continuity.due_ns()
            assert due is not None
            assert due > now
    starts = [packet.media_time for packet in out]
    assert all(start % frame == 0 for start in starts)
    assert all(after >= before + frame for before, after in itertools.pairwise(starts))
    assert continuity.emitted == len(out)
    covered = len(out) * frame + continuity.skipped_samples
    assert continuity.next_media_time == covered

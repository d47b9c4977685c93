"""The client's figures, against streams and sounds whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from rtcserver.client.measure import (
    SILENCE_DBFS,
    AudioMeter,
    Gap,
    Packet,
    Samples,
    Unwrapper,
    dbfs,
    delivery,
    dominant_hz,
    side,
    tone_dbfs,
)

FRAME = 480
MS = 1_000_000


def stream(count: int, first_sequence: int = 65_000, first_timestamp: int = 2**32 - 4_800) -> list[Packet]:
    """Perfect 10 ms packets that wrap both counters on the way."""
    return [
        Packet(n * 10 * MS, (first_sequence + n) % 2**16, (first_timestamp + n * FRAME) % 2**32, 200)
        for n in range(count)
    ]


def test_a_perfect_stream_is_perfect() -> None:
    got = delivery(stream(1200), 10.0)
    assert (got.packets, got.lost, got.duplicates, got.reordered, got.timestamp_errors) == (1000, 0, 0, 0, 0)
    assert (got.frame_ms, got.jitter_ms, got.seconds, got.complete, got.gap_list) == (10, 0, 10, True, [])
    assert got.bytes == 200_000


@pytest.mark.parametrize("frame", [120, 240, 480, 960])
def test_the_window_is_media_time(frame: int) -> None:
    packets = [Packet(n * frame * 20_833, n, n * frame, 100) for n in range(2100 * 480 // frame)]
    got = delivery(packets, 10.0)
    assert got.packets == 480_000 // frame
    assert got.frame_ms == frame / 48


def test_an_unfinished_window_says_so() -> None:
    got = delivery(stream(300), 10.0, until_ns=(2990 + 1500) * MS)
    assert (got.packets, got.complete, got.seconds) == (300, False, 3.0)
    assert got.gap_list == [Gap("end", 3.0, 1490.0)]
    assert delivery(stream(300), 10.0, until_ns=3000 * MS).gap_list == []


def test_losses_are_counted_once_each_and_runs_are_one_gap() -> None:
    packets = [p for n, p in enumerate(stream(1100)) if n not in {5, 100, 101, 102, 999}]
    got = delivery(packets, 10.0)
    assert (got.packets, got.lost, got.timestamp_errors) == (995, 5, 0)
    assert [(gap.kind, gap.ms) for gap in got.gap_list] == [("lost", 10), ("lost", 30), ("lost", 10)]
    assert got.gap_list[1].at_s == pytest.approx(1.0)


def test_losses_across_the_end_of_the_window_count_inside_only() -> None:
    got = delivery([p for n, p in enumerate(stream(1100)) if not 997 <= n < 1010], 10.0)
    assert (got.packets, got.lost, got.timestamp_errors) == (997, 3, 0)


def test_duplicates_and_reordering() -> None:
    packets = stream(1100)
    packets[10], packets[11] = packets[11], packets[10]
    packets.insert(500, packets[400])
    packets.insert(600, packets[599])
    got = delivery(packets, 10.0)
    assert (got.packets, got.lost, got.duplicates, got.reordered) == (1000, 0, 2, 1)
    assert got.gap_list == []


def test_a_jump_of_the_timestamps_without_a_loss_is_an_error_and_a_gap() -> None:
    packets = [
        Packet(p.arrival_ns, p.sequence, (p.timestamp + (960 if n >= 50 else 0)) % 2**32, p.size)
        for n, p in enumerate(stream(1100))
    ]
    got = delivery(packets, 10.0)
    assert (got.lost, got.timestamp_errors, got.packets) == (0, 1, 998)
    assert got.gap_list == [Gap("jump", 0.5, 20.0)]


def test_timestamps_that_follow_a_clock_are_errors() -> None:
    """953, 964, …: what a sender does that stamps with the time of day."""
    packets = [
        Packet(p.arrival_ns, p.sequence, n * FRAME + 7 * (n % 5 == 0), 9) for n, p in enumerate(stream(99))
    ]
    got = delivery(packets)
    assert got.frame_ms == 10
    assert got.timestamp_errors == 39


def test_an_arrival_hole_is_a_gap_and_lost_time_is_not_counted_twice() -> None:
    late = [
        Packet(p.arrival_ns + (250 * MS if n >= 300 else 0), *_rest(p)) for n, p in enumerate(stream(1100))
    ]
    got = delivery(late, 10.0)
    assert got.gap_list == [Gap("late", 3.0, 250.0)]
    cut = delivery([p for n, p in enumerate(stream(1100)) if not 300 <= n < 330], 10.0)
    assert [(gap.kind, gap.ms) for gap in cut.gap_list] == [("lost", 300.0)]


def _rest(packet: Packet) -> tuple[int, int, int]:
    return packet.sequence, packet.timestamp, packet.size


def test_jitter_follows_the_rfc() -> None:
    """A packet 16 ms late moves the estimate by 1 ms, and the return to normal by 15/16 of one more."""
    packets = stream(3)
    packets[1] = Packet(packets[1].arrival_ns + 16 * MS, *_rest(packets[1]))
    got = delivery(packets)
    assert got.jitter_ms == pytest.approx(1 + (16 - 1) / 16, abs=1e-3)
    assert got.jitter_max_ms == got.jitter_ms
    steady = delivery([Packet(p.arrival_ns + 77 * MS, *_rest(p)) for p in stream(50)])
    assert steady.jitter_ms == 0


def test_nothing_received() -> None:
    got = delivery([], 10.0, until_ns=5)
    assert (got.packets, got.seconds, got.complete) == (0, 0.0, False)


def test_unwrapping_goes_both_ways() -> None:
    unwrap = Unwrapper(16)
    assert [unwrap.extend(value) for value in (65_535, 0, 65_534, 3)] == [0, 1, -1, 4]


def sine(hz: float, amplitude: float = 1.0, frames: int = 96_000) -> Samples:
    return np.round(32_767 * amplitude * np.sin(2 * np.pi * hz * np.arange(frames) / 48_000)).astype(np.int16)


def test_levels_are_relative_to_a_full_scale_sine() -> None:
    assert dbfs(sine(1000)) == pytest.approx(0, abs=0.01)
    assert dbfs(sine(1000, 0.1)) == pytest.approx(-20, abs=0.01)
    assert dbfs(np.tile(np.array([32_767, -32_767], np.int16), 1000)) == pytest.approx(3.01, abs=0.01)
    assert dbfs(np.zeros(100, np.int16)) == dbfs(np.zeros(0, np.int16)) == SILENCE_DBFS


@pytest.mark.parametrize("hz", [27.5, 440.0, 440.37, 1000.0, 7902.13])
def test_frequencies_between_the_bins(hz: float) -> None:
    assert dominant_hz(sine(hz, 0.25)) == pytest.approx(hz, abs=0.02)


def test_the_strongest_partial_wins_and_an_offset_is_none() -> None:
    mixed = (sine(220, 0.2).astype(int) + sine(880, 0.3) + 9000).astype(np.int16)
    assert dominant_hz(mixed) == pytest.approx(880, abs=0.05)
    assert tone_dbfs(mixed, 220) == pytest.approx(-13.98, abs=0.05)
    assert tone_dbfs(mixed, 333) < -80
    assert tone_dbfs(np.zeros(4096, np.int16), 333) == SILENCE_DBFS


def test_a_silent_side_has_no_frequency() -> None:
    assert side(np.zeros(48_000, np.int16)).hz is None
    assert side(sine(440, 0.00005)).hz is None


def stereo(value: int, frames: int) -> Samples:
    return np.full((frames, 2), value, np.int16)


def test_the_meter_fills_holes_cuts_overlaps_and_ends_where_told() -> None:
    meter = AudioMeter()
    assert len(meter.add(0, stereo(1, 480))) == 480
    assert meter.add(960, stereo(2, 480))[[0, 479, 480, 959], 0].tolist() == [0, 0, 2, 2]
    assert len(meter.add(1200, stereo(3, 480))) == 240
    assert len(meter.add(1680, stereo(4, 480), before=2000)) == 320
    assert len(meter.add(2160, stereo(5, 480), before=2000)) == 0
    assert (meter.end, meter.missing) == (2000, 480)
    assert len(meter.recent()) == 2000
    assert meter.recent(0.01)[:, 0].tolist() == [3] * 160 + [4] * 320


def test_the_meter_is_bounded() -> None:
    meter = AudioMeter(keep_s=0.1)
    for number in range(1000):
        meter.add(number * 480, stereo(number, 480))
    assert 4800 <= len(meter.recent()) < 4800 + 480
    assert meter.recent()[-1, 0] == 999

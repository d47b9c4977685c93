"""The estimate of the media clock: exact within half the round trip, and without jumps."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from rtcserver.channel.down.messages import Reply
from rtcserver.channel.media_clock import MediaClock
from rtcserver.channel.up.messages import Ping, unpack_up

MS = 1_000_000


def converse(
    clock: MediaClock,
    seconds: float,
    *,
    drift: float = 0.0,
    jitter_ms: float = 0.0,
    seed: int = 1,
) -> list[float]:
    """Ping as the clock asks; returns the errors in ms, every 50 ms."""
    noise = random.Random(seed)
    errors = []
    now = 1000 * 10**9
    end = now + int(seconds * 1e9)
    arrivals: list[tuple[int, Reply]] = []
    look = now
    while now < end:
        if now >= clock.next_ping_ns(now):
            message = unpack_up(clock.ping(now))
            assert isinstance(message, Ping)
            up = 2 * MS + int(noise.random() * jitter_ms * MS)
            down = 2 * MS + int(noise.random() * jitter_ms * MS)
            media = media_at(now + up, drift)
            arrivals.append((now + up + down, Reply(False, 0, 0, message.client_us, media)))
        for at, reply in [pair for pair in arrivals if pair[0] <= now]:
            clock.add(reply, at)
            arrivals.remove((at, reply))
        if now >= look:
            look += 50 * MS
            media_now = clock.media_at(now)
            if media_now is not None:
                errors.append((media_now - media_at(now, drift)) / 48)
        now += MS
    return errors


def media_at(now_ns: int, drift: float) -> int:
    return round((now_ns - 900 * 10**9) * (1 + drift) * 48 / 1e6)


def test_a_quiet_path_is_exact_from_the_first_reply() -> None:
    errors = converse(MediaClock(), 5)
    assert max(map(abs, errors)) < 0.05


def test_jitter_is_filtered() -> None:
    errors = converse(MediaClock(), 60, jitter_ms=30)
    settled = errors[len(errors) // 4 :]
    assert max(map(abs, errors)) < 15
    assert sorted(map(abs, settled))[len(settled) // 2] < 2
    assert max(map(abs, settled)) < 5


@pytest.mark.parametrize("drift", [-200e-6, 150e-6])
def test_drift_is_followed(drift: float) -> None:
    clock = MediaClock()
    errors = converse(clock, 120, drift=drift, jitter_ms=2)
    assert abs(clock.drift - drift) < 20e-6
    assert max(map(abs, errors[len(errors) // 2 :])) < 1


def test_no_jumps() -> None:
    errors = converse(MediaClock(), 60, jitter_ms=20)
    jumps = [abs(later - earlier) for earlier, later in pairwise(errors)]
    assert max(jumps) <= 20 * 50 / 1000 + 0.05


def test_a_moved_media_clock_is_followed_after_three_replies() -> None:
    clock = MediaClock()
    converse(clock, 5)
    for turn in range(3):
        now = (2000 + turn) * 10**9
        clock.add(Reply(False, 0, 0, now // 1000 - 4000, 7_000_000 + turn * 48_000), now)
        assert clock.steps == (turn == 2)
    assert clock.media_at(now) == 7_000_000 + 2 * 48_000 + 96


def test_replies_that_cannot_be_are_ignored() -> None:
    clock = MediaClock()
    clock.add(Reply(False, 0, 0, 2_000_000, 0), 1_000_000_000)
    clock.add(Reply(False, 0, 0, 0, 0), 6_000_000_000)
    assert not clock.ready
    assert clock.media_at(0) is None
    assert clock.rtt_ms is None

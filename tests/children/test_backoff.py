"""How long to wait before the next start."""

from __future__ import annotations

from rtcserver.children.backoff import BACKOFF_S, HEALTHY_NS, Backoff
from rtcserver.children.liveness import SILENCE_NS
from rtcserver.clock import NS


def test_the_backoff_grows_and_forgets() -> None:
    backoff = Backoff()
    assert [backoff.ended(0) for _ in range(6)] == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]
    assert backoff.ended(HEALTHY_NS) == BACKOFF_S[0]
    assert BACKOFF_S[-1] * NS < SILENCE_NS


def test_a_process_that_ran_for_longer_than_its_wait_is_followed_at_once() -> None:
    backoff = Backoff()
    lived_ns = round(BACKOFF_S[-1] * NS)
    assert [backoff.ended(lived_ns) for _ in range(6)] == [0.0] * 6, "never more often than the longest wait"
    assert backoff.ended(lived_ns // 2) == BACKOFF_S[-1] / 2

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

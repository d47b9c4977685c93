"""Counters are refreshed once for all who ask, in portions, and never keep a reader waiting for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rtcserver.errors import ProcessError
from rtcserver.peer import fresh
from rtcserver.peer.fresh import FRESH_NS, PORTION, FreshCounters


class Source:
    """Notes what is asked for; `failure` is raised, `hangs` never answers."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.failure: Exception | None = None
        self.hangs = False

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> None:
        self.asked.append(list(listener_ids))
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(3600 if self.hangs else 0)


async def test_all_who_ask_at_once_share_one_refresh_in_portions() -> None:
    now, source = 0, Source()
    counters = FreshCounters(lambda: now)
    ids = list(range(PORTION * 2 + 1))
    await asyncio.gather(*(counters.refresh("main", source, ids) for _ in range(10)))
    assert source.asked == [ids[:PORTION], ids[PORTION : 2 * PORTION], ids[2 * PORTION :]]
    now = FRESH_NS - 1
    await counters.refresh("main", source, ids)
    assert len(source.asked) == 3
    await counters.refresh("side", source, [7])
    assert source.asked[3:] == [[7]]
    now = FRESH_NS
    await counters.refresh("main", source, [1])
    assert source.asked[4:] == [[1]]


async def test_a_source_that_fails_is_asked_again_next_time() -> None:
    source = Source()
    counters = FreshCounters(lambda: 0)
    source.failure = ProcessError("gone")
    await counters.refresh("main", source, [1])
    source.failure = None
    await counters.refresh("main", source, [1])
    assert source.asked == [[1], [1]]


async def test_a_source_that_hangs_does_not_hold_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "LIMIT_S", 0.01)
    source = Source()
    source.hangs = True
    await asyncio.wait_for(FreshCounters(lambda: 0).refresh("main", source, [1]), 5)
    assert source.asked == [[1]]

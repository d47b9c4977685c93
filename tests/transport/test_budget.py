"""What a peer may ask for in a second, on a clock that is given. No sockets."""

from __future__ import annotations

from collections import Counter

import pytest

from rtcserver.clock import NS
from rtcserver.transport.budget import (
    ACKS,
    CHUNKS,
    FLOOD_PER_S,
    LIMITS,
    MEMORY_NS,
    RECORDS,
    REPLIES,
    Limit,
    PeerBudget,
)


def taken(budget: PeerBudget, limit: Limit, per_second: int, start_ns: int, seconds: float) -> int:
    """How many of an even stream were allowed."""
    step = NS // per_second
    return sum(budget.take(limit, start_ns + n * step) for n in range(round(seconds * per_second)))


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_what_is_within_the_limit_is_never_dropped(limit: Limit) -> None:
    counters: Counter[str] = Counter()
    budget = PeerBudget(counters)
    assert all(budget.take(limit, NS) for _ in range(limit.burst)), "a burst"
    rest = limit.burst * NS // limit.per_second
    assert taken(budget, limit, limit.per_second, NS + rest, 5) == 5 * limit.per_second, "a steady stream"
    assert not counters
    assert budget.over == 0


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_a_flood_gets_its_first_burst_and_nothing_after_it(limit: Limit) -> None:
    counters: Counter[str] = Counter()
    budget = PeerBudget(counters)
    flood = 20 * limit.per_second
    first = taken(budget, limit, flood, 0, 5)
    assert limit.burst <= first <= limit.burst * 1.2 + 2
    assert budget.is_spent(limit, 5 * NS)
    assert taken(budget, limit, flood, 5 * NS, 5) == 0
    assert counters == {f"over_{limit.name}": 10 * flood - first}
    assert budget.over == (0 if limit is ACKS else 10 * flood - first)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_who_has_calmed_down_is_heard_again(limit: Limit) -> None:
    budget = PeerBudget(Counter())
    taken(budget, limit, 20 * limit.per_second, 0, 2)
    assert not budget.take(limit, 2 * NS + MEMORY_NS // 2)
    assert budget.is_spent(limit, 2 * NS + MEMORY_NS // 2)
    assert not budget.is_spent(limit, 6 * NS)
    calm = 2 * NS + 2 * MEMORY_NS + limit.burst * NS // limit.per_second
    assert taken(budget, limit, limit.per_second, calm, 3) == 3 * limit.per_second


def test_what_costs_more_is_dropped_whole_and_counted_once() -> None:
    counters: Counter[str] = Counter()
    budget = PeerBudget(counters)
    assert budget.take(CHUNKS, 0, CHUNKS.burst - 1)
    assert not budget.take(CHUNKS, 0, 64)
    assert counters == {"over_chunks": 1}


def test_kinds_of_work_do_not_use_up_one_another() -> None:
    budget = PeerBudget(Counter())
    taken(budget, RECORDS, 50_000, 0, 1)
    assert not budget.take(RECORDS, NS)
    assert budget.take(REPLIES, NS)


def test_a_flood_is_told_from_a_slip() -> None:
    budget = PeerBudget(Counter())
    for second in range(0, 30, 3):  # now and then a burst that is too large
        at = second * NS
        assert sum(not budget.take(RECORDS, at) for _ in range(RECORDS.burst + FLOOD_PER_S)) == FLOOD_PER_S
        assert not budget.floods(at)
    budget = PeerBudget(Counter())
    budget.floods(0)
    taken(budget, RECORDS, 5 * RECORDS.per_second, 0, 0.9)
    assert budget.floods(NS - 1)

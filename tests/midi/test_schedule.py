"""Messages leave in the order of their times; a full schedule loses nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtcserver.midi.schedule import Schedule


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=60), st.integers(0, 20))
def test_what_is_due_comes_in_order_and_the_rest_waits(items: list[tuple[int, int]], now: int) -> None:
    schedule = Schedule()
    for number, (at, owner) in enumerate(items):
        assert schedule.add(owner, bytes((number,)), at) == []
    due = schedule.due(now)
    expected = sorted((at, number, owner) for number, (at, owner) in enumerate(items) if at <= now)
    assert due == [(at, owner, bytes((number,))) for at, number, owner in expected]
    assert len(schedule) == len(items) - len(due)
    assert schedule.next_ns == min((at for at, _ in items if at > now), default=None)


def test_only_the_owner_is_cancelled() -> None:
    schedule = Schedule()
    for at, owner in ((5, 1), (3, 2), (4, 1), (9, 2)):
        schedule.add(owner, bytes((at,)), at)
    assert schedule.cancel(1) == 2
    assert schedule.due(100) == [(3, 2, b"\x03"), (9, 2, b"\x09")]


def test_a_full_schedule_plays_the_earliest_at_once() -> None:
    schedule = Schedule(limit=2)
    assert schedule.add(1, b"c", 30) == []
    assert schedule.add(2, b"a", 10) == []
    assert schedule.add(3, b"b", 20) == [(2, b"a")]
    assert schedule.early == 1
    assert [message for _, _, message in schedule.due(99)] == [b"b", b"c"]

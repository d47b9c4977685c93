"""A session that has ended is remembered for a minute, once, and for its own room."""

from __future__ import annotations

from rtcserver.peer.ended import MAX_REMEMBERED, REMEMBERED_NS, EndedSessions


def test_it_is_taken_once() -> None:
    ended = EndedSessions()
    ended.add("one", "main", 0)
    assert not ended.take("other", "main", 1)
    assert not ended.take("one", "side", 1)
    assert ended.take("one", "main", 1)
    assert not ended.take("one", "main", 1)


def test_it_is_forgotten_after_a_minute() -> None:
    ended = EndedSessions()
    ended.add("one", "main", 0)
    ended.add("two", "main", 1)
    assert not ended.take("one", "main", REMEMBERED_NS + 1)
    assert ended.take("two", "main", REMEMBERED_NS + 1)


def test_however_many_end_memory_is_bounded() -> None:
    ended = EndedSessions()
    for number in range(MAX_REMEMBERED + 1):
        ended.add(str(number), "main", number)
    assert not ended.take("0", "main", MAX_REMEMBERED)
    assert ended.take("1", "main", MAX_REMEMBERED)

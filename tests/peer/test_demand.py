"""Which encodings are made: those that somebody needs, and for a little while those that somebody needed."""

from __future__ import annotations

from rtcserver.peer.demand import KEEP_NS, STAY_NS, Demand


def test_an_encoding_is_wanted_as_long_as_one_listener_needs_it() -> None:
    demand = Demand()
    assert demand.wanted(0) == frozenset()
    demand.take("low")
    demand.take("low")
    demand.take("high")
    demand.drop("low", 10)
    assert demand.wanted(10**12) == {"low", "high"}
    assert demand.due_ns is None


def test_it_is_kept_for_those_who_are_on_their_way_out() -> None:
    demand = Demand()
    demand.take("low")
    demand.take("opus")
    demand.drop("low", 1_000)
    assert demand.due_ns == 1_000 + KEEP_NS
    assert demand.wanted(1_000 + KEEP_NS - 1) == {"low", "opus"}
    assert demand.wanted(1_000 + KEEP_NS) == {"opus"}
    assert demand.due_ns is None


def test_the_last_one_is_kept_for_as_long_as_a_reload_takes() -> None:
    demand = Demand()
    demand.take("opus")
    demand.drop("opus", 1_000)
    assert demand.wanted(1_000 + STAY_NS - 1) == {"opus"}
    assert demand.wanted(1_000 + STAY_NS) == frozenset()
    assert demand.due_ns is None


def test_who_comes_back_in_time_takes_it_up_again() -> None:
    demand = Demand()
    demand.take("low")
    demand.drop("low", 0)
    demand.take("low")
    assert demand.due_ns is None
    assert demand.wanted(10 * KEEP_NS) == {"low"}

"""The loop between tiers: to what the network carries, soon, and then staying there."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.encode.encoding import HIGH, LOW, encodings_of
from rtcserver.errors import PeerError
from rtcserver.peer.reception import Reception
from rtcserver.peer.redundancy import MAX_LEVEL
from rtcserver.peer.tiers import (
    HIGH_AFTER_S,
    HOLD_S,
    MAX_HOLD_S,
    PROVEN_S,
    SLOW_S,
    Choice,
    Tiers,
    wire_bps,
)
from tests.peer.network import Link, missed
from tests.peer.tiers_scene import ENCODINGS, Listener

OWN = "opus"


def tiers_of(*, redundant: bool = True, bitrate_bps: int = 160_000) -> Tiers:
    found = encodings_of(bitrate_bps, 480)
    return Tiers(found[OWN], low=found[LOW], high=found[HIGH], levels=MAX_LEVEL if redundant else 0, now_s=0)


# What each costs


def test_the_low_tier_fits_a_link_of_64_kilobits_with_its_headers() -> None:
    assert 56_000 < wire_bps(ENCODINGS[LOW], 0) < 0.95 * 64_000


def test_a_higher_tier_costs_more_and_so_does_every_level() -> None:
    plain = [wire_bps(ENCODINGS[name], 0) for name in (LOW, OWN, HIGH)]
    assert plain == sorted(plain)
    for name in ENCODINGS:
        costs = [wire_bps(ENCODINGS[name], level) for level in range(MAX_LEVEL + 1)]
        assert costs == sorted(costs)


# Networks that are slow


@pytest.mark.parametrize("queue_s", [0.05, 0.3, 1.0])
def test_a_link_of_64_kilobits_ends_on_the_low_tier_soon_and_stays(queue_s: float) -> None:
    listener = Listener(Link(64_000, queue_s)).run(900)
    arrived = next(at_s for at_s, name, _ in listener.history if name == LOW)
    assert arrived <= 6
    assert listener.heard(arrived + 1) == {LOW}
    assert listener.share_lost(arrived + 10) < 0.01
    # It tries more now and then, ever more rarely, and never with less than a repair of what that loses.
    assert listener.changes(60) <= 12
    assert listener.changes(600) <= 4
    # Where it makes the round trip longer, what it tries is over with the second report that follows.
    tries = [
        until_s - since_s
        for (since_s, _, level), (until_s, _, _) in pairwise(listener.history)
        if level and since_s > arrived
    ]
    assert tries
    assert queue_s < SLOW_S or max(tries) <= 2.2


@pytest.mark.parametrize("reports_s", [0.3, 1.0, 5.0])
def test_rare_reports_take_longer_but_lead_to_the_same(reports_s: float) -> None:
    listener = Listener(Link(64_000, 0.3), reports_s=reports_s).run(120)
    assert listener.heard(4 * max(reports_s, 2)) == {LOW}


def test_who_knows_no_redundancy_tries_rarely() -> None:
    listener = Listener(Link(64_000, 0.3), redundant=False, page=False, reports_s=5.0).run(900)
    assert listener.heard(20) == {LOW, OWN}
    assert listener.share_lost(20) < 0.04
    assert listener.changes(20) <= 8


def test_on_a_slow_link_with_a_deep_queue_the_redundancy_goes_and_the_tier_stays() -> None:
    listener = Listener(Link(300_000, 1.0)).run(300)
    assert listener.heard(0) == {OWN}
    assert listener.history[-1][2] == 0
    assert listener.history[-1][0] <= 10
    assert listener.share_lost(15) == 0


@pytest.mark.parametrize("capacity_bps", [80_000, 120_000, 160_000, 200_000])
def test_between_the_tiers_it_stays_below(capacity_bps: int) -> None:
    listener = Listener(Link(capacity_bps, 0.3)).run(600)
    assert listener.share_lost(60) < 0.01
    assert listener.changes(300) <= 6


def test_when_the_link_recovers_the_tier_comes_back_within_two_minutes() -> None:
    link = Link(64_000, 0.3)
    listener = Listener(link).run(20)
    assert listener.encoding == LOW
    link.capacity_bps = 0
    listener.run(120)
    assert listener.encoding in (OWN, HIGH)


def test_a_queue_that_only_delays_is_seen_too() -> None:
    """Nothing is lost in a queue of 10 s: the delay alone tells."""
    listener = Listener(Link(150_000, 10.0)).run(60)
    assert listener.encoding == LOW
    assert listener.link.round_trip_s < 1.0


# Networks that lose at random


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05])
def test_moderate_losses_are_for_redundancy_alone(loss: float) -> None:
    listener = Listener(Link(loss=loss)).run(60)
    assert listener.heard(0) == {OWN}


@pytest.mark.parametrize("seed", range(5))
def test_many_losses_are_tried_with_less_once_and_then_known_to_be_innocent(seed: int) -> None:
    listener = Listener(Link(loss=0.2, seed=seed)).run(280)
    assert listener.heard(20) == {OWN}
    assert listener.history[-1][2] == MAX_LEVEL
    assert listener.history[-1][0] <= 20


def test_losses_on_a_slow_link_do_not_bring_redundancy_that_does_not_fit() -> None:
    listener = Listener(Link(64_000, 0.3, loss=0.05)).run(300)
    assert listener.share_lost(20) < 0.08
    assert listener.history[-1][1:] == (LOW, 0)


def test_a_blackout_is_no_overload() -> None:
    """What comes after it counts all that was lost in one report."""
    tiers = tiers_of()
    tiers.choose(0, 0)
    tiers.reception(100, 0, None, 1)
    tiers.reception(1_100, 1_000, None, 12)
    assert not tiers.overloaded(12)
    for second in range(13, 40):
        tiers.reception(100, 0, None, second)
        assert tiers.choose(1, second) == Choice(OWN, 1)


# The tier above


def test_the_high_tier_comes_after_more_than_it_was_carried() -> None:
    listener = Listener(Link()).run(120)
    assert [name for _, name, _ in listener.history] == [OWN, OWN, HIGH]
    assert listener.history[-1][0] >= HIGH_AFTER_S
    assert listener.changes(100) == 0


def test_without_proof_or_with_losses_there_is_no_high_tier() -> None:
    assert Listener(Link(), redundant=False).run(300).heard(0) == {OWN}
    assert Listener(Link(loss=0.002)).run(300).heard(0) == {OWN}
    assert HIGH not in Listener(Link(280_000, 0.3)).run(600).heard(0)


def test_a_loss_takes_the_high_tier_back_for_longer_each_time() -> None:
    listener = Listener(Link()).run(120)
    stays: list[float] = []
    for _ in range(3):
        assert listener.encoding == HIGH
        began = listener.now_s
        listener.link.loss = 0.05
        listener.run(5)
        assert listener.encoding == OWN
        listener.link.loss = 0.0
        while listener.encoding != HIGH:
            listener.run(1)
            assert listener.now_s - began < 2_000
        stays.append(listener.now_s - began)
    assert stays == sorted(stays)
    assert stays[-1] > stays[0] + HIGH_AFTER_S


# Pins


def test_a_pin_holds_whatever_the_network_does_but_brings_no_redundancy_that_does_not_fit() -> None:
    listener = Listener(Link(250_000, 0.3))
    listener.feedback.pin("middle")
    listener.run(120)
    assert listener.heard(0) == {OWN}
    assert listener.history[-1][2] == 0
    listener.feedback.pin("high")
    listener.run(5)
    assert listener.encoding == HIGH
    listener.feedback.pin(None)
    listener.run(300)
    assert listener.encoding != HIGH
    assert listener.feedback.tier_rates == {"high": 256_000, "middle": 160_000, "low": 36_000}


def test_a_tier_that_is_not_there_is_refused_by_name() -> None:
    listener = Listener(Link())
    with pytest.raises(PeerError, match="no tier 'best'; it has high, middle, low"):
        listener.feedback.pin("best")


def test_where_the_room_s_own_is_the_best_there_is_no_tier_above() -> None:
    found = encodings_of(256_000, 480)
    listener = Listener(Link())
    listener.feedback.offer_tiers(found, OWN, 0)
    assert list(listener.feedback.tier_rates) == ["middle", "low"]


# Reports that are wrong


@pytest.mark.parametrize("round_trip_s", [0.0, -1.0, 11.0, math.inf, math.nan])
def test_a_round_trip_that_cannot_be_true_is_not_believed(round_trip_s: float) -> None:
    tiers = tiers_of()
    for second in range(1, 60):
        tiers.round_trip(0.04, second)
        tiers.round_trip(round_trip_s, second + 0.5)
        tiers.reception(100, 0, None, second + 0.6)
    assert not tiers.overloaded(61)
    assert tiers.choose(0, 61).encoding == OWN


reports = st.one_of(
    st.tuples(st.just("reception"), st.integers(0, 5_000), st.integers(-5_000, 5_000)),
    st.tuples(st.just("trip"), st.floats(-1, 100), st.just(0)),
    st.tuples(st.just("choose"), st.integers(0, MAX_LEVEL), st.integers(1, 2)),
    st.tuples(st.just("pin"), st.sampled_from([None, LOW, OWN, HIGH]), st.just(0)),
)


@given(st.lists(st.tuples(st.floats(0, 30), reports), max_size=200), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_is_reported_it_chooses_what_there_is(
    said: list[tuple[float, tuple[str, object, object]]], redundant: bool
) -> None:
    tiers = tiers_of(redundant=redundant)
    now_s = 0.0
    for after_s, (kind, first, second) in said:
        now_s += after_s
        if kind == "reception":
            tiers.reception(first, second, None, now_s)  # type: ignore[arg-type]  # by its kind
        elif kind == "trip":
            tiers.round_trip(first, now_s)  # type: ignore[arg-type]
        elif kind == "pin":
            tiers.pinned = ENCODINGS[first] if first is not None else None  # type: ignore[index]
        else:
            choice = tiers.choose(first, now_s, copies=second)  # type: ignore[arg-type]
            assert choice.encoding in tiers.encodings
            assert 0 <= choice.level <= (MAX_LEVEL if redundant else 0)
            if tiers.pinned is not None:
                assert choice.encoding == tiers.pinned.name


@given(
    capacity_bps=st.sampled_from([0, *range(40_000, 700_000, 20_000)]),
    queue_s=st.floats(0.02, 2),
    loss=st.floats(0, 0.25),
    base_s=st.floats(0.002, 0.4),
    reports_s=st.floats(0.3, 5),
    redundant=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
@settings(max_examples=40, deadline=None)
def test_on_no_network_does_it_swing(
    capacity_bps: int,
    queue_s: float,
    loss: float,
    base_s: float,
    reports_s: float,
    redundant: bool,
    seed: int,
) -> None:
    """On a network that stays as it is, what is sent changes ever more rarely."""
    link = Link(capacity_bps, queue_s, loss, base_s, seed=seed)
    listener = Listener(link, redundant=redundant, reports_s=reports_s).run(600)
    tiers = [name for at_s, name, _ in listener.history if at_s >= 60]
    assert sum(before != after for before, after in pairwise(tiers)) <= 12
    assert MAX_HOLD_S > HOLD_S > PROVEN_S


# Recorded


def replay(name: str) -> list[tuple[float, str, int]]:
    """(seconds, encoding, level of redundancy) from each change on, for what Chromium reported behind a network with a name.

    The recordings are of listeners without copies: what those repair is taken off.
    """
    trace = json.loads((Path(__file__).parent / "traces" / f"{name}.json").read_text())
    listener = Listener(Link())
    feedback = listener.feedback
    assert feedback.redundancy is not None
    encoding, history = OWN, list[tuple[float, str, int]]()
    rng = random.Random(1)
    for ms, expected, lost, jitter_ms, rtt_ms in trace["rows"]:
        now_ns = 1_000_000 * ms + 1
        trip_s = None if rtt_ms is None else rtt_ms / 1000
        jitter = None if jitter_ms is None else round(48 * jitter_ms)
        if expected:
            lost = missed(lost, lost / expected, feedback.redundancy.carried, rng)
            feedback.heard(Reception(expected, lost, jitter, trip_s), now_ns)
        elif rtt_ms is not None:
            feedback.page_said({"rtt_ms": rtt_ms}, now_ns)
        encoding = feedback.decide(encoding, now_ns)
        choice = encoding, feedback.redundancy.carried
        if not history or history[-1][1:] != choice:
            history.append((ms / 1000, *choice))
    return history


def test_recorded_behind_a_slow_link_it_goes_to_the_low_tier_and_stays() -> None:
    *before, last = replay("link-64k")
    assert last[1:] == (LOW, 0)
    assert last[0] < 4
    assert {name for _, name, _ in before} == {OWN}


@pytest.mark.parametrize("name", ["lan", "lte", "busy-wifi", "lossy-5", "blackout-10s"])
def test_recorded_behind_a_network_that_only_loses_and_delays_it_stays(name: str) -> None:
    """The recordings are of a busy machine, whose own delays are in the round trips."""
    history = replay(name)
    assert {encoding for _, encoding, _ in history} == {OWN}
    assert history[-1][2] == {"lan": 0, "lte": 1}.get(name, MAX_LEVEL)


def test_recorded_behind_many_losses_it_tries_less_once() -> None:
    history = replay("lossy-20")
    assert [choice for _, *choice in history] == [[OWN, 1], [OWN, 2], [LOW, 2], [OWN, 2]]


def test_recorded_behind_a_queue_that_its_redundancy_fills_the_redundancy_goes_and_the_tier_stays() -> None:
    """The relay let reports pass its queue: the round trip tells nothing, the losses have to."""
    *before, last = replay("bufferbloat")
    assert last[1:] == (OWN, 0)
    assert last[0] < 20
    assert [LOW, MAX_LEVEL] in [choice for _, *choice in before]

"""What checks may cost: budgets, replays and the number of bound paths."""

from __future__ import annotations

import itertools

from rtcserver.transport.budget import CHECKS, NEW_PATHS
from rtcserver.transport.ice import MAX_PATHS, IceRegistry
from tests.transport.checking import S, check, make, path


def test_checks_beyond_the_budget_are_not_looked_at() -> None:
    registry = IceRegistry()
    agent, other = make(registry), make(registry)
    data = check(agent.current, nominate=True)
    registry.receive(data, path(1), 0)
    answered = sum(registry.receive(data, path(1), 0) is not None for _ in range(3 * CHECKS.burst))
    assert answered == CHECKS.burst
    assert registry.counters["over_checks"] == 2 * CHECKS.burst
    assert registry.receive(check(other.current), path(3), 0) is not None


def test_who_only_knows_the_name_of_a_peer_does_not_spend_its_budget() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    forged = check(agent.current._replace(password="not-theirs"))
    for n in range(5000):
        assert registry.receive(forged, path(2 + n % 500), n) is None
    # Most are not even authenticated.
    assert registry.counters["stun_bad_integrity"] < NEW_PATHS.burst
    assert registry.counters["over_new_paths"] > 5000 - NEW_PATHS.burst
    assert registry.receive(check(agent.current, nominate=True), path(1), 5000) is not None


def test_a_replayed_check_binds_no_other_path() -> None:
    registry = IceRegistry()
    agent = make(registry)
    captured = check(agent.current, nominate=True, priority=2**31)
    registry.receive(captured, path(1), 0)
    for turn in range(1, 2000):
        registry.receive(check(agent.current, nominate=True), path(1), turn * S)
    assert registry.receive(captured, path(2), 3000 * S) is None
    assert registry.counters["stun_replayed"] == 1
    assert agent.selected == path(1)
    assert registry.receive(captured, path(1), 3000 * S) is not None, "a retransmission on its own path"


def test_after_an_hour_of_checks_a_new_path_still_gets_through() -> None:
    registry = IceRegistry()
    agent = make(registry)
    for turn in range(1440):
        registry.receive(check(agent.current, nominate=True), path(1), turn * S)
    bound = sum(
        registry.receive(check(agent.current), path(2 + n), (2000 + n) * S) is not None for n in range(200)
    )
    assert bound > 150


def test_bound_paths_are_bounded_and_the_selected_one_stays() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    for port in range(2, 200):
        registry.receive(check(agent.current, nominate=True), path(1), port * S)
        now = itertools.count(port * S, S // 10)
        while registry.receive(check(agent.current), path(port), next(now)) is None:
            pass  # refused as a replay by mistake
    assert len(agent.bound) == MAX_PATHS == registry.paths
    assert registry.owner_of(path(1)) is agent
    assert registry.owner_of(path(199)) is agent
    assert registry.owner_of(path(2)) is None

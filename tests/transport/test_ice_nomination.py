"""Which of an agent's paths is selected, and what moves it to another one."""

from __future__ import annotations

from rtcserver.transport import stun
from rtcserver.transport.ice import SILENT_SELECTED_NS, IceRegistry
from rtcserver.transport.ice_agent import IceAgent, IceState
from tests.transport.checking import REMOTE, S, check, make, path


def test_nomination_selects() -> None:
    registry = IceRegistry()
    agent = make(registry)
    checked = registry.receive(check(agent.current, nominate=True), path(5000), 0)
    assert checked is not None
    assert checked.moved
    assert agent.selected == path(5000)
    assert agent.state is IceState.SELECTED


def test_a_better_nomination_takes_over_at_once() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True, priority=10), path(1), 0)
    checked = registry.receive(check(agent.current, nominate=True, priority=11), path(2), 1)
    assert checked is not None
    assert checked.moved
    assert agent.selected == path(2)


def test_aggressive_nomination_does_not_flap() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True, priority=20), path(1), 0)
    for turn in range(10):
        for port, priority in ((2, 10), (1, 20)):
            checked = registry.receive(
                check(agent.current, nominate=True, priority=priority), path(port), turn
            )
            assert checked is not None
            assert not checked.moved
    assert agent.selected == path(1)
    assert registry.counters["selections"] == 1


def carried(registry: IceRegistry) -> IceAgent:
    """An agent that has checked paths 1 and 2 without nominating, and has completed DTLS on path 1."""
    agent = registry.create(REMOTE, None, 0, "their-password")
    for port in (1, 2):
        registry.receive(check(agent.current, priority=20), path(port), 0)
    agent.secured = True
    agent.prove(path(1))
    registry.carried(agent, path(1))
    return agent


def test_before_a_nomination_the_path_is_selected_that_dtls_came_by() -> None:
    agent = carried(IceRegistry())
    assert agent.state is IceState.SELECTED
    assert agent.selected == path(1)


def test_a_path_that_dtls_came_by_is_not_selected_unproven_or_after_a_nomination_or_in_a_restart() -> None:
    registry = IceRegistry()
    unproven = make(registry)
    registry.receive(check(unproven.current), path(1), 0)
    unproven.secured = True
    registry.carried(unproven, path(1))
    registry.carried(unproven, path(9))
    assert (unproven.selected, unproven.state) == (None, IceState.CHECKED)
    nominated = make(registry)
    registry.receive(check(nominated.current, nominate=True), path(2), 0)
    registry.receive(check(nominated.current), path(3), 0)
    nominated.prove(path(3))
    registry.carried(nominated, path(3))
    assert nominated.selected == path(2)
    restarted = make(registry)
    registry.receive(check(restarted.current), path(4), 0)
    restarted.prove(path(4))
    registry.restart(restarted, REMOTE)
    registry.carried(restarted, path(4))
    assert restarted.selected is None


def test_the_first_nomination_takes_over_from_the_path_that_dtls_came_by() -> None:
    """However low its priority, but not before the new path is proven; those after it follow the rules of others."""
    registry = IceRegistry()
    agent = carried(registry)
    checked = registry.receive(check(agent.current, nominate=True, priority=1), path(2), 1)
    assert checked is not None
    assert (checked.moved, agent.selected) == (False, path(1))
    asked = stun.parse(checked.challenge)
    answer = stun.build_success(asked.transaction_id, ("192.0.2.9", 9), b"their-password")
    answered = registry.receive(answer, path(2), 2)
    assert answered is not None
    assert (answered.moved, agent.selected) == (True, path(2))
    agent.bound[path(2)].priority = 30
    later = registry.receive(check(agent.current, nominate=True, priority=20), path(1), 3)
    assert later is not None
    assert (later.moved, agent.selected) == (False, path(2))


def test_nominating_the_path_that_dtls_came_by_changes_nothing() -> None:
    registry = IceRegistry()
    agent = carried(registry)
    checked = registry.receive(check(agent.current, nominate=True), path(1), 1)
    assert checked is not None
    assert (checked.moved, agent.selected) == (False, path(1))
    lower = registry.receive(check(agent.current, nominate=True, priority=1), path(2), 2)
    assert lower is not None
    assert not lower.challenge, "path 1 is nominated, and this one has a lower priority"


def test_a_moved_peer_is_followed_on_its_second_nomination_in_a_row() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True, priority=20), path(1), 0)
    first = registry.receive(check(agent.current, nominate=True, priority=10), path(2), 1)
    second = registry.receive(check(agent.current, nominate=True, priority=10), path(2), 2)
    assert first is not None
    assert second is not None
    assert (first.moved, second.moved) == (False, True)
    assert agent.selected == path(2)


def test_without_use_candidate_the_address_does_not_change() -> None:
    """Not while the selected path lives, and not before one was selected."""
    registry = IceRegistry()
    agent = make(registry)
    for turn in range(20):
        checked = registry.receive(check(agent.current, priority=2**31), path(2), turn * S)
        assert checked is not None
        assert not checked.moved
    assert agent.selected is None
    registry.receive(check(agent.current, nominate=True), path(1), 20 * S)
    for turn in range(20, 40):
        registry.receive(check(agent.current), path(1), turn * S)
        checked = registry.receive(check(agent.current, priority=2**31), path(2), turn * S)
        assert checked is not None
        assert not checked.moved
    assert agent.selected == path(1)


def test_another_path_takes_over_when_the_selected_one_is_silent() -> None:
    """A client behind a NAT that forgot it: it goes on checking and does not know that it has moved."""
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True, priority=20), path(1), 0)
    early = registry.receive(check(agent.current), path(2), SILENT_SELECTED_NS)
    late = registry.receive(check(agent.current), path(2), SILENT_SELECTED_NS + 1)
    assert early is not None
    assert late is not None
    assert (early.moved, late.moved) == (False, True)
    assert agent.selected == path(2)

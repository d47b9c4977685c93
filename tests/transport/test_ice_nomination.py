"""Which of an agent's paths is selected, and what moves it to another one."""

from __future__ import annotations

from rtcserver.transport.ice import SILENT_SELECTED_NS, IceRegistry
from rtcserver.transport.ice_agent import IceState
from tests.transport.checking import S, check, make, path


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

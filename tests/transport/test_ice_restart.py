"""An ICE restart: the old pair lives until the new credentials have nominated one."""

from __future__ import annotations

from rtcserver.transport.ice import SILENT_SELECTED_NS, IceRegistry
from rtcserver.transport.ice_agent import IceState
from tests.transport.checking import REMOTE, check, make, path


def test_during_a_restart_only_a_nomination_moves() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    renewed = registry.restart(agent, REMOTE)
    for credentials in (agent.current, renewed):
        checked = registry.receive(check(credentials), path(2), SILENT_SELECTED_NS + 1)
        assert checked is not None
        assert not checked.moved
    assert agent.selected == path(1)


def test_restart_keeps_the_old_pair_until_the_new_one_is_nominated() -> None:
    registry = IceRegistry()
    agent = make(registry)
    old = agent.current
    registry.receive(check(old, nominate=True), path(1), 0)
    new = registry.restart(agent, REMOTE)
    assert agent.state is IceState.RESTARTING
    assert (new.ufrag, new.password) != (old.ufrag, old.password)

    still = registry.receive(check(old, nominate=True), path(1), 1)
    assert still is not None
    assert not still.moved
    other = registry.receive(check(old, nominate=True, priority=2**31), path(9), 1)
    assert other is not None
    assert not other.moved
    checked = registry.receive(check(new), path(2), 2)
    assert checked is not None
    assert agent.selected == path(1)

    nominated = registry.receive(check(new, nominate=True, priority=1), path(2), 3)
    assert nominated is not None
    assert nominated.moved
    assert agent.selected == path(2)
    assert agent.state is IceState.SELECTED
    assert agent.current == new
    assert registry.receive(check(old), path(1), 4) is None
    assert registry.counters["stun_unknown_ufrag"] == 1


def test_a_restart_that_nominates_the_same_pair_is_told_too() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    new = registry.restart(agent, REMOTE)
    checked = registry.receive(check(new, nominate=True), path(1), 1)
    assert checked is not None
    assert checked.moved
    again = registry.receive(check(new, nominate=True), path(1), 2)
    assert again is not None
    assert not again.moved


def test_restart_twice_forgets_the_middle_generation() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    middle = registry.restart(agent, REMOTE)
    last = registry.restart(agent, REMOTE)
    assert registry.receive(check(middle, nominate=True), path(1), 0) is None
    assert registry.receive(check(last, nominate=True), path(1), 0) is not None
    assert len(registry) == 1

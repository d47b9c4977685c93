"""A path that a stream would go to is asked first, and so is one that may be dead."""

from __future__ import annotations

import pytest

from rtcserver.transport import stun
from rtcserver.transport.address import Path
from rtcserver.transport.doubt import DOUBT_ASKS, DOUBT_NS, DOUBT_PACE_NS
from rtcserver.transport.ice import PROOF_NS, SILENT_SELECTED_NS, IceRegistry
from rtcserver.transport.ice_agent import IceAgent
from tests.transport.checking import REMOTE, S, check, path


def test_once_there_is_a_stream_a_path_is_selected_when_it_has_answered() -> None:
    registry = IceRegistry()
    agent = registry.create(REMOTE, None, 0, "their-password")
    registry.receive(check(agent.current, nominate=True, priority=20), path(1), 0)
    agent.secured = True
    agent.prove(path(1))
    again = registry.receive(check(agent.current, nominate=True, priority=20), path(1), 1)
    assert again is not None
    assert not again.challenge, "the selected path is proven"
    checked = registry.receive(check(agent.current, nominate=True, priority=30), path(2), 2)
    assert checked is not None
    assert not checked.moved
    asked = stun.parse(checked.challenge)
    assert asked.username == f"{REMOTE}:{agent.current.ufrag}".encode()
    assert stun.verify(checked.challenge, asked, b"their-password")
    assert agent.selected == path(1)
    answer = stun.build_success(asked.transaction_id, ("192.0.2.9", 9), b"their-password")
    assert registry.receive(answer, path(1), 3) is None
    assert agent.selected == path(1)
    answered = registry.receive(answer, path(2), 4)
    assert answered is not None
    assert (answered.moved, answered.reply) == (True, b"")
    assert agent.selected == path(2)
    assert registry.receive(answer, path(2), 5) is None, "once"


def test_a_path_that_was_silent_for_long_is_proven_anew() -> None:
    registry = IceRegistry()
    agent = registry.create(REMOTE, None, 0, "their-password")
    registry.receive(check(agent.current, nominate=True, priority=20), path(1), 0)
    registry.receive(check(agent.current, priority=20), path(2), 0)
    agent.secured = True
    agent.prove(path(1))
    agent.prove(path(2))
    for now in range(0, PROOF_NS + 1, S):
        registry.receive(check(agent.current, priority=20), path(1), now)
    late = registry.receive(check(agent.current, nominate=True, priority=30), path(2), PROOF_NS + 1)
    assert late is not None
    assert not late.moved
    assert late.challenge


class Doubted:
    """A stream to path 1 whose client checks from path 2, without nominating: a NAT has moved it, or has not."""

    def __init__(self, silent_ns: int = DOUBT_NS + 1) -> None:
        self.registry = IceRegistry()
        self.agent = self.registry.create(REMOTE, None, 0, "their-password")
        self.registry.receive(check(self.agent.current, nominate=True), path(1), 0)
        self.agent.secured = True
        self.agent.prove(path(1))
        self.now = silent_ns
        checked = self.registry.receive(check(self.agent.current), path(2), self.now)
        assert checked is not None
        assert not checked.moved
        self.asked: list[tuple[bytes, Path]] = []

    def settle(self) -> list[IceAgent]:
        """A timer's next turn."""
        self.now += DOUBT_PACE_NS
        self.asked.clear()
        return self.registry.doubts.settle(self.now, lambda data, to: self.asked.append((data, to)))

    def answer(self, number: int) -> None:
        """To what the last turn asked on that path, from there."""
        (asked,) = (data for data, to in self.asked if to == path(number))
        parsed = stun.parse(asked)
        assert stun.verify(asked, parsed, b"their-password")
        answer = stun.build_success(parsed.transaction_id, ("192.0.2.9", 9), b"their-password")
        assert self.registry.receive(answer, path(number), self.now) is not None


def test_a_selected_path_in_doubt_is_asked_and_left_when_it_is_dead() -> None:
    """Sooner than by its silence: the new path is a client's of whom nothing came for two seconds from the old one."""
    doubted = Doubted()
    for turn in range(DOUBT_ASKS):
        assert doubted.settle() == []
        assert path(1) in [to for _, to in doubted.asked]
        if turn == 0:
            doubted.answer(2)
    assert doubted.settle() == [doubted.agent]
    assert doubted.agent.selected == path(2)
    assert doubted.now < SILENT_SELECTED_NS
    assert doubted.registry.counters["stun_left_for_dead"] == 1
    assert doubted.settle() == []
    assert doubted.asked == []


@pytest.mark.parametrize("sign", ["answer", "check", "nothing since"])
def test_a_selected_path_that_lives_is_kept(sign: str) -> None:
    doubted = Doubted(DOUBT_NS if sign == "nothing since" else DOUBT_NS + 1)
    if sign != "nothing since":
        doubted.settle()
        if sign == "answer":
            doubted.answer(1)
        else:
            doubted.registry.receive(check(doubted.agent.current), path(1), doubted.now)
    for _ in range(2 * DOUBT_ASKS):
        assert doubted.settle() == []
        assert doubted.asked == []
    assert doubted.agent.selected == path(1)


def test_a_forged_check_draws_a_stream_nowhere_even_if_the_client_is_gone() -> None:
    """Its victim answers nothing, so its path is never proven; what it is asked is bounded."""
    doubted = Doubted()
    asked = 0
    for _ in range(50):
        assert doubted.settle() == []
        asked += sum(to == path(2) for _, to in doubted.asked)
    assert asked == DOUBT_ASKS
    assert doubted.agent.selected == path(1)


def test_the_doubt_ends_with_the_agent_or_a_restart() -> None:
    gone, restarted = Doubted(), Doubted()
    gone.registry.remove(gone.agent)
    restarted.registry.restart(restarted.agent, REMOTE)
    for doubted in (gone, restarted):
        assert doubted.settle() == []
        assert doubted.asked == []

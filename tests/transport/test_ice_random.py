"""The ICE-lite registry under random histories and random bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtcserver.transport.address import Path
from rtcserver.transport.ice import MAX_PATHS, Checked, IceRegistry
from rtcserver.transport.ice_agent import IceAgent
from tests.transport.checking import REMOTE, S, check, make, path


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_silent(data: bytes) -> None:
    registry = IceRegistry()
    make(registry)
    assert registry.receive(data, path(1), 0) is None


class Life(RuleBasedStateMachine):
    """Random checks, nominations, restarts and removals of three peers keep the maps consistent."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = IceRegistry()
        self.agents = [make(self.registry) for _ in range(3)]
        self.now = 0

    @rule(
        who=st.integers(0, 2),
        port=st.integers(1, 30),
        nominate=st.booleans(),
        priority=st.integers(1, 3),
        step=st.integers(0, 3 * S),
        pending=st.booleans(),
    )
    def check(self, who: int, port: int, nominate: bool, priority: int, step: int, pending: bool) -> None:
        self.now += step
        agent = self.agents[who]
        credentials = agent.pending if pending and agent.pending else agent.current
        before = agent.selected
        result = self.registry.receive(
            check(credentials, nominate=nominate, priority=priority), path(port), self.now
        )
        moved = isinstance(result, Checked) and result.moved
        assert moved or agent.selected == before
        if moved:
            assert agent.selected == path(port)
            assert agent.pending is None

    @rule(who=st.integers(0, 2), port=st.integers(1, 30))
    def secure(self, who: int, port: int) -> None:
        agent = self.agents[who]
        before, bound = agent.selected, path(port) in agent.bound
        agent.secured = True
        agent.prove(path(port))
        self.registry.carried(agent, path(port))
        assert agent.selected == before or (before is None and bound and agent.selected == path(port))

    @rule(who=st.integers(0, 2))
    def restart(self, who: int) -> None:
        self.registry.restart(self.agents[who], REMOTE)

    @rule(who=st.integers(0, 2))
    def replace(self, who: int) -> None:
        self.registry.remove(self.agents[who])
        self.agents[who] = make(self.registry)

    @invariant()
    def consistent(self) -> None:
        assert len(self.registry) == 3
        assert self.registry.paths == sum(len(a.bound) for a in self.agents)
        for agent in self.agents:
            assert len(agent.bound) <= MAX_PATHS
            assert agent.selected is None or agent.selected in agent.bound
            for bound in agent.bound:
                assert self.registry.owner_of(bound) is agent


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=40)


class EachAnew(IceRegistry):
    """Looks at every check as at the first one."""

    def _receive_again(self, agent: IceAgent, data: bytes, path: Path, now_ns: int) -> None:
        return None


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["check", "check", "check", "restart", "flip", "replay", "old"]),
            st.integers(1, 3),
            st.booleans(),
            st.integers(0, 400),
        ),
        max_size=40,
    )
)
def test_a_check_like_the_one_before_is_answered_as_any_other(
    history: list[tuple[str, int, bool, int]],
) -> None:
    registries = (IceRegistry(), EachAnew())
    agents = [make(registry) for registry in registries]
    agents[1].current = agents[0].current
    registries[1]._by_ufrag = {agents[0].current.ufrag.encode(): (agents[1], agents[0].current)}
    now, sent = 0, [check(agents[0].current, nominate=True)]
    for what, port, nominate, number in history:
        now += number * S // 100
        if what == "restart":
            pending = registries[0].restart(agents[0], REMOTE)
            other = registries[1].restart(agents[1], REMOTE)
            del registries[1]._by_ufrag[other.ufrag.encode()]
            agents[1].pending = pending
            registries[1]._by_ufrag[pending.ufrag.encode()] = (agents[1], pending)
            continue
        data = sent[number % len(sent)] if what in ("replay", "old") else b""
        if what == "check":
            data = check(agents[0].pending or agents[0].current, nominate=nominate)
            sent.append(data)
        elif what == "flip":
            flipped = bytearray(check(agents[0].current, nominate=nominate))
            flipped[number % len(flipped)] ^= 1 + number % 255
            data = bytes(flipped)
        seen = []
        for registry, agent in zip(registries, agents, strict=True):
            found = registry.receive(data, path(port), now)
            bounds = {at: (b.priority, b.streak, b.last_ns) for at, b in agent.bound.items()}
            state = (agent.state, agent.selected, agent.last_check_ns, bounds, dict(registry.counters))
            seen.append((None if found is None else (found.reply, found.moved), state))
        assert seen[0] == seen[1]

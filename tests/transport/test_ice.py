"""The ICE-lite registry: who is bound, who is selected, who gets silence. No sockets, no clock."""

from __future__ import annotations

import itertools
import re
import struct
from binascii import crc32
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtcserver.transport import stun
from rtcserver.transport.address import Path
from rtcserver.transport.budget import CHECKS, NEW_PATHS
from rtcserver.transport.consent import Credentials
from rtcserver.transport.doubt import DOUBT_ASKS, DOUBT_NS, DOUBT_PACE_NS
from rtcserver.transport.ice import (
    MAX_PATHS,
    PATH_HOLD_NS,
    PROOF_NS,
    SILENT_SELECTED_NS,
    Checked,
    IceRegistry,
)
from rtcserver.transport.ice_agent import TRANSITIONS, IceAgent, IceEvent, IceState

S = 1_000_000_000
TIDS = itertools.count()
REMOTE = "rmtU"


def path(port: int, host: str = "192.0.2.7", local: bytes = b"\x0a\x00\x00\x01") -> Path:
    return Path(0, local, 0, (host, port))


def fresh() -> bytes:
    """A transaction id that was not used before."""
    return sha256(next(TIDS).to_bytes(4, "big")).digest()[:12]


def check(
    credentials: Credentials,
    *,
    nominate: bool = False,
    priority: int = 100,
    controlling: bool = True,
    tid: bytes | None = None,
) -> bytes:
    return stun.build_request(
        fresh() if tid is None else tid,
        f"{credentials.ufrag}:{REMOTE}".encode(),
        credentials.password.encode(),
        priority=priority,
        use_candidate=nominate,
        controlling=controlling,
    )


def make(registry: IceRegistry, now: int = 0) -> IceAgent:
    return registry.create(REMOTE, None, now)


def test_credentials_are_long_and_unique() -> None:
    registry = IceRegistry()
    agents = [make(registry) for _ in range(200)]
    assert len({a.current.ufrag for a in agents}) == 200
    for agent in agents:
        assert re.fullmatch(r"[A-Za-z0-9+/]{16,256}", agent.current.ufrag)
        assert re.fullmatch(r"[A-Za-z0-9+/]{22,256}", agent.current.password)
    assert len(registry) == 200


def test_a_check_binds_and_is_answered_with_the_mapped_address() -> None:
    registry = IceRegistry()
    agent = make(registry)
    checked = registry.receive(check(agent.current, tid=b"transaction!"), path(5000), 3 * S)
    assert checked is not None
    assert checked.agent is agent
    assert not checked.moved
    assert agent.state is IceState.CHECKED
    assert agent.selected is None
    assert agent.last_check_ns == 3 * S
    assert registry.owner_of(path(5000)) is agent
    assert registry.owner_of(path(5001)) is None
    reply = stun.parse(checked.reply)
    assert reply.xor_mapped == ("192.0.2.7", 5000)
    assert reply.transaction_id == b"transaction!"
    assert stun.verify(checked.reply, reply, agent.current.password.encode())


def test_nomination_selects() -> None:
    registry = IceRegistry()
    agent = make(registry)
    checked = registry.receive(check(agent.current, nominate=True), path(5000), 0)
    assert checked is not None
    assert checked.moved
    assert agent.selected == path(5000)
    assert agent.state is IceState.SELECTED


def refingerprint(message: bytes) -> bytes:
    """The message without its FINGERPRINT, with a new one."""
    head = message[:-8]
    return head + struct.pack("!HHI", stun.FINGERPRINT, 4, crc32(head) ^ 0x5354554E)


def test_silence_towards_strangers() -> None:
    registry = IceRegistry()
    agent = make(registry)
    good = check(agent.current, nominate=True)
    wrong_password = agent.current._replace(password="x" * 24)
    without_fingerprint = bytearray(good[:-8])
    struct.pack_into("!H", without_fingerprint, 2, len(without_fingerprint) - 20)
    bare = struct.pack("!HHI12s", stun.BINDING_REQUEST, 0, stun.COOKIE, fresh())
    cases = {
        "stun_malformed": [b"", b"\x00", good[:-1], good + b"\x00"],
        "stun_not_request": [stun.build_success(fresh(), ("1.2.3.4", 5), b"k")],
        "stun_incomplete": [bare, bytes(without_fingerprint)],
        "stun_unknown_ufrag": [
            check(agent.current._replace(ufrag="nobody-has-this-one")),
            stun.build_request(fresh(), agent.current.ufrag.encode(), agent.current.password.encode()),
            stun.build_request(fresh(), b":" + REMOTE.encode(), b"k"),
        ],
        "stun_wrong_remote_ufrag": [
            stun.build_request(
                fresh(), f"{agent.current.ufrag}:other".encode(), agent.current.password.encode()
            )
        ],
        "stun_bad_integrity": [
            check(wrong_password, nominate=True),
            refingerprint(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]),
        ],
    }
    for counter, datagrams in cases.items():
        for datagram in datagrams:
            before = registry.counters[counter]
            assert registry.receive(datagram, path(5000), 0) is None, counter
            assert registry.counters[counter] == before + 1, counter
    assert agent.state is IceState.WAITING
    assert registry.paths == 0
    assert registry.owner_of(path(5000)) is None


def test_role_conflict_is_answered_but_binds_nothing() -> None:
    registry = IceRegistry()
    agent = make(registry)
    checked = registry.receive(check(agent.current, controlling=False), path(1), 0)
    assert checked is not None
    assert stun.parse(checked.reply).error == (487, "Role Conflict")
    assert registry.paths == 0


def test_unknown_required_attribute_gets_420() -> None:
    registry = IceRegistry()
    agent = make(registry)
    key = agent.current.password.encode()
    body = stun._attribute(stun.USERNAME, f"{agent.current.ufrag}:{REMOTE}".encode())
    data = stun._seal(stun.BINDING_REQUEST, fresh(), body + stun._attribute(0x7ABC, b"abcd"), key)
    checked = registry.receive(data, path(1), 0)
    assert checked is not None
    assert stun.parse(checked.reply).error == (420, "Unknown Attribute")
    assert registry.paths == 0


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


def test_another_local_address_is_another_path() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current), path(1), 0)
    assert registry.owner_of(path(1, local=b"\x0a\x00\x00\x02")) is None


def test_a_live_path_cannot_be_taken_by_another_peer() -> None:
    registry = IceRegistry()
    one, two = make(registry), make(registry)
    registry.receive(check(one.current, nominate=True), path(1), 0)
    assert registry.receive(check(two.current, nominate=True), path(1), PATH_HOLD_NS - 1) is None
    assert registry.counters["stun_path_taken"] == 1
    assert registry.owner_of(path(1)) is one
    assert registry.receive(check(two.current, nominate=True), path(1), PATH_HOLD_NS) is not None
    assert registry.owner_of(path(1)) is two
    assert one.selected is None


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


def test_remove_leaves_nothing() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    registry.restart(agent, REMOTE)
    registry.remove(agent)
    registry.remove(agent)
    assert len(registry) == 0
    assert registry.paths == 0
    assert registry._by_ufrag == {}
    assert registry.receive(check(agent.current), path(1), 0) is None


def test_an_illegal_move_raises() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.remove(agent)
    for event in IceEvent:
        with pytest.raises(KeyError):
            agent.advance(event)


def test_the_table_is_total() -> None:
    assert set(TRANSITIONS) == set(IceState)
    for state, moves in TRANSITIONS.items():
        if state is not IceState.CLOSED:
            assert set(moves) == set(IceEvent)


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

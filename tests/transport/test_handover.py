"""Whose checks are handed over, when they are taken back, and who reads. No sockets, no clock."""

from __future__ import annotations

from collections import Counter

import pytest

from rtcserver.transport.address import Path
from rtcserver.transport.handover import OTHERS_NS, AnsweredChecks, CheckHandover, KnownCheck
from rtcserver.transport.ice import Checked, IceRegistry
from rtcserver.transport.ice_agent import IceAgent
from tests.transport.checking import REMOTE, S, check, fresh, path

HERE, THERE = path(4000), path(4001)


class Reader:
    """What it is told, and whether it reads."""

    def __init__(self) -> None:
        self.reading = True
        self.known: dict[int, KnownCheck] = {}
        self.told = 0

    def keep(self, number: int, known: KnownCheck) -> None:
        assert number not in self.known
        self.known[number] = known
        self.told += 1

    def drop(self, number: int) -> None:
        del self.known[number]


class Port:
    reads = True

    def read_checks(self, wanted: bool) -> None:
        self.reads = wanted


class Scene:
    """A registry with one agent, which nominates `HERE`, and a handover that hears of each check."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.registry = IceRegistry(self.counters)
        self.handover = CheckHandover(self.counters)
        self.reader = Reader()
        self.handover.find_reader = lambda: self.reader
        self.agent: IceAgent = self.registry.create(REMOTE, None, 0)
        self.check(0, HERE, nominate=True)
        self.agent.prove(HERE)

    def check(self, now: int, where: Path = HERE, *, nominate: bool = False) -> Checked | None:
        checked = self.registry.receive(check(self.agent.current, nominate=nominate), where, now)
        self.handover.consider(self.agent, now)
        return checked


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.agent.secured = True
    made.check(S)
    assert len(made.reader.known) == len(made.handover) == 1
    return made


def test_a_check_is_handed_over_as_it_came(scene: Scene) -> None:
    (known,) = scene.reader.known.values()
    again = check(scene.agent.current)
    assert known.remote == HERE.remote
    assert known.local == HERE.local
    assert known.password == scene.agent.current.password
    assert (known.head, known.body) == (again[:8], again[20:-32])
    # The same again is no news.
    scene.check(2 * S)
    assert scene.reader.told == 1


def test_nothing_is_handed_over_before_there_is_a_stream() -> None:
    scene = Scene()
    scene.check(S)
    assert not scene.reader.known


def test_nothing_is_handed_over_to_nobody_or_to_one_who_sleeps() -> None:
    scene = Scene()
    scene.agent.secured = True
    scene.reader.reading = False
    scene.check(S)
    scene.handover.find_reader = lambda: None
    scene.check(2 * S)
    assert not scene.reader.known
    assert not len(scene.handover)


def test_streams_are_not_handed_over() -> None:
    scene = Scene()
    scene.agent.secured = True
    stream = Path(-1, b"", 0, ("192.0.2.7", 9), 5)
    scene.check(S, stream, nominate=True)
    scene.check(2 * S, stream, nominate=True)
    assert scene.agent.selected == stream
    assert not scene.reader.known


def test_a_check_on_another_path_takes_it_back_until_that_path_is_quiet(scene: Scene) -> None:
    scene.check(2 * S, THERE)
    assert not scene.reader.known
    scene.check(3 * S)
    assert not scene.reader.known
    scene.check(2 * S + OTHERS_NS + 1)
    assert len(scene.reader.known) == 1


def test_another_body_is_handed_over_anew(scene: Scene) -> None:
    before = dict(scene.reader.known)
    scene.check(2 * S, nominate=True)
    assert len(scene.reader.known) == 1
    assert scene.reader.known != before


def test_it_is_taken_back_for_a_restart_and_with_the_peer(scene: Scene) -> None:
    scene.handover.withdraw(scene.agent)
    scene.registry.restart(scene.agent, REMOTE)
    assert not scene.reader.known
    scene.check(2 * S)
    assert not scene.reader.known
    scene.handover.withdraw(scene.agent)


def test_the_account_counts_as_checks_do(scene: Scene) -> None:
    (number,) = scene.reader.known
    checks, seen = scene.counters["stun_checks"], fresh()
    scene.handover.answered([AnsweredChecks(number, 20 * S, (seen, fresh())), AnsweredChecks(99, 21 * S, ())])
    assert scene.agent.last_check_ns == scene.agent.bound[HERE].last_ns == 20 * S
    assert scene.counters["stun_checks"] == checks + 2
    # It draws the stream nowhere, sent again from elsewhere.
    assert scene.registry.receive(check(scene.agent.current, tid=seen, nominate=True), THERE, 21 * S) is None
    assert scene.counters["stun_replayed"] == 1
    scene.handover.withdraw(scene.agent)
    scene.handover.answered([AnsweredChecks(number, 30 * S, ())])
    assert scene.agent.last_check_ns == 20 * S


def test_who_reads() -> None:
    scene, port = Scene(), Port()
    tick = scene.handover.tick
    tick(port, S, 0)
    assert not port.reads
    tick(port, S, 1)
    assert port.reads, "somebody joins"
    tick(port, S, 0)
    scene.handover.hurry(port, 3 * S)
    tick(port, 2 * S, 0)
    assert port.reads, "until 3 s"
    tick(port, 3 * S, 0)
    assert not port.reads
    scene.reader.reading = False
    tick(port, 3 * S, 0)
    assert port.reads, "the other reader sleeps"

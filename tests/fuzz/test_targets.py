"""Every target takes its own good inputs, all that long runs kept, and a few that any parser may get."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.fuzz.target import SEEDS, TARGETS, Target
from tests.fuzz.targets import port

BY_NAME = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@pytest.fixture(scope="module", autouse=True)
def nothing_stays() -> Iterator[None]:
    """The port's peers and event loop are for this module alone."""
    yield
    if port.port.cache_info().currsize:
        port.port().close()
        port.port.cache_clear()


NESTED = (
    b"[" * 3000,
    b"{" * 3000,
    b'{"a":' * 700,
    b'{"type":' * 400,
    b"port = " + b"[" * 3000,
    b"OPTIONS=" + b"a = " + b"[" * 3000,
    b"\3a = " + b"[" * 3000,
)
"""Deeper than Python's own limit, which its parsers of JSON and TOML meet with a RecursionError."""


@BY_NAME
def test_a_target_takes_what_it_begins_with(target: Target) -> None:
    seeds = target.seeds()
    assert seeds
    for data in seeds:
        assert len(data) <= max(target.max_bytes, 4096)
        target(data)


@BY_NAME
def test_a_target_takes_what_is_cut_flipped_and_joined(target: Target) -> None:
    chance = random.Random(target.name)
    seeds = target.seeds()
    for _ in range(60):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        cut = chance.randrange(len(data) + 1)
        target(bytes(data[:cut] + chance.choice(seeds)[chance.randrange(8) :])[: target.max_bytes])
    for data in (b"", b"\0", b"\xff" * 64, bytes(range(256)), b"9" * 900, *NESTED):
        target(data)


@BY_NAME
def test_good_inputs_reach_the_end(target: Target) -> None:
    """At least one of them raises nothing: a target that refuses all would find nothing behind the first check."""
    taken = 0
    for data in target.good():
        try:
            target.run(data)
        except target.raises:
            continue
        taken += 1
    assert taken


def test_each_file_of_seeds_has_its_target() -> None:
    assert {path.stem for path in SEEDS.glob("*.txt")} <= set(TARGETS)


def test_a_parser_that_raises_what_it_should_not_is_found() -> None:
    def broken(data: bytes) -> None:
        if data[:1] == b"\x07":
            raise IndexError

    found = Target("broken", broken, (ValueError,), lambda: (b"a",), (), 10)
    found(b"a")
    with pytest.raises(IndexError):
        found(b"\x07")

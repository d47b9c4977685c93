"""What a fuzz target is: a function that takes any bytes, and what it may raise."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

SEEDS = Path(__file__).with_name("seeds")
"""One file a target: inputs that long runs found worth keeping, a line each, in base64."""
LIMIT_MS = 50
"""Longest that one input may take, in CPU time of this process."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser. run: takes any bytes; raises nothing but `raises`, and AssertionError where a promise is broken.

    good: inputs that it takes, to begin with. words: what inputs are made of, for the mutations. max_bytes: longest input.
    """

    name: str
    run: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    good: Callable[[], Iterable[bytes]]
    words: tuple[str, ...]
    max_bytes: int

    def __call__(self, data: bytes) -> None:
        """Run one input; what is documented is no fault."""
        try:
            self.run(data)
        except self.raises:
            return

    def seeds(self) -> list[bytes]:
        """The good inputs, and those that long runs kept."""
        kept = SEEDS / f"{self.name}.txt"
        lines = kept.read_text().split() if kept.exists() else []
        found = [*self.good(), *(base64.b64decode(line) for line in lines)]
        return list(dict.fromkeys(found))


TARGETS: dict[str, Target] = {}
"""All targets by name; filled by importing `tests.fuzz.targets`."""


def target(
    name: str,
    *raises: type[Exception],
    good: Callable[[], Iterable[bytes]],
    words: Iterable[str] = (),
    max_bytes: int = 2000,
) -> Callable[[Callable[[bytes], object]], Callable[[bytes], object]]:
    """Register a function as a target; see `Target`."""

    def register(run: Callable[[bytes], object]) -> Callable[[bytes], object]:
        assert name not in TARGETS, name
        TARGETS[name] = Target(name, run, raises, good, tuple(words), max_bytes)
        return run

    return register


def pieces(data: bytes, most: int = 32) -> list[bytes]:
    """An input as a run of messages: each is led by its length in two bytes, the last one may be cut short."""
    found = []
    at = 0
    while at + 2 <= len(data) and len(found) < most:
        size = int.from_bytes(data[at : at + 2])
        found.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return found


def joined(messages: Iterable[bytes]) -> bytes:
    """The input that `pieces` takes apart into these messages."""
    return b"".join(len(message).to_bytes(2) + message for message in messages)

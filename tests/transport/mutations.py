"""Ways to spoil a datagram, seeded and named."""

from __future__ import annotations

import random
from collections.abc import Iterator


def mutations(seed: int, good: bytes, *, flips: int = 6) -> Iterator[tuple[str, bytes]]:
    """(name, spoiled datagram) pairs of one good datagram. The first byte stays, so that its kind does."""
    chance = random.Random(seed)
    size = len(good)
    for length in sorted({1, 2, 4, 12, 13, 19, size // 2, size - 4, size - 1}):
        if 0 < length < size:
            yield f"cut-to-{length}", good[:length]
    for number in range(flips):
        at = chance.randrange(1, size)
        yield f"flip-{number}", good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :]
    yield "zeros", good[:1] + bytes(size - 1)
    yield "ones", good[:1] + b"\xff" * (size - 1)
    yield "noise", good[:1] + chance.randbytes(size - 1)
    yield "long-noise", good[:1] + chance.randbytes(1399)
    yield "tail", good + chance.randbytes(33)
    yield "twice", good + good
    yield "lengths-up", good[:2] + b"\xff\xff" + good[4:]

"""A link in virtual time: what it carries, what waits before it, what is lost, and what a listener reports of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

STEP_S = 0.1


def missed(lost: int, chance: float, level: int, rng: random.Random) -> int:
    """Of so many lost packets, those that a receiver misses at a level of redundancy: at 2 the copies of half of them come
    unless they are lost, too. chance: of each packet to be lost."""
    if level < 2:
        return lost
    return sum(rng.random() < 0.5 or rng.random() < chance for _ in range(lost))


@dataclass
class Link:
    """capacity_bps: 0 for unlimited. queue_s: what the queue before it holds. loss: chance of each packet, at random."""

    capacity_bps: float = 0.0
    queue_s: float = 0.3
    loss: float = 0.0
    base_s: float = 0.04
    jitter_s: float = 0.002
    seed: int = 1
    waiting_bits: float = 0.0
    chance: float = 0.0
    """Of each packet of the last step to be lost."""
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def send(self, bps: float, packets: int) -> int:
        """Send `packets` in one step; returns how many are lost."""
        overflow = 0.0
        if self.capacity_bps:
            self.waiting_bits = max(0.0, self.waiting_bits + (bps - self.capacity_bps) * STEP_S)
            most = self.queue_s * self.capacity_bps
            if self.waiting_bits > most:
                overflow = (self.waiting_bits - most) / (bps * STEP_S)
                self.waiting_bits = most
        self.chance = overflow + (1 - overflow) * self.loss
        return sum(self.rng.random() < overflow or self.rng.random() < self.loss for _ in range(packets))

    @property
    def round_trip_s(self) -> float:
        """Of a packet that is sent now."""
        waiting_s = self.waiting_bits / self.capacity_bps if self.capacity_bps else 0.0
        return self.base_s + waiting_s + self.rng.random() * 2 * self.jitter_s

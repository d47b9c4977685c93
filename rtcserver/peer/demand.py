"""Which encodings a room's listeners need, its own too. Pure: the caller gives the time and says what it needs.

An encoding that nobody needs any more is kept for `KEEP_NS`: whoever leaves it for another one is sent it until the
place where the two meet, and whoever comes back soon need not wait for an encoder. So is the room's own one for
`STAY_NS` after everybody has left: who reloads a page hears the same piece go on.
"""

from __future__ import annotations

from collections import Counter

from rtcserver.clock import NS

KEEP_NS = 2 * NS
"""Ten times as long as a change of encoding takes at most."""
STAY_NS = 5 * NS
"""As long as it takes to reload a page."""


class Demand:
    """One room's. Encodings by name."""

    def __init__(self) -> None:
        self._needed: Counter[str] = Counter()
        self.told = frozenset[str]()
        """What the one who makes them was told last."""
        self._until_ns: dict[str, int] = {}
        """Of encodings that nobody needs any more: until when they are kept."""

    def take(self, name: str) -> None:
        """One more listener needs this encoding."""
        self._needed[name] += 1
        self._until_ns.pop(name, None)

    def drop(self, name: str, now_ns: int) -> None:
        """One listener needs it no more."""
        self._needed[name] -= 1
        if self._needed[name] <= 0:
            del self._needed[name]
            self._until_ns[name] = now_ns + (KEEP_NS if self._needed else STAY_NS)

    def wanted(self, now_ns: int) -> frozenset[str]:
        """Those that are to be made now."""
        self._until_ns = {name: until_ns for name, until_ns in self._until_ns.items() if until_ns > now_ns}
        return frozenset((*self._needed, *self._until_ns))

    @property
    def due_ns(self) -> int | None:
        """When `wanted` may be less than at the last call; None while everything is needed."""
        return min(self._until_ns.values(), default=None)

"""The ICE-lite side of one peer: its credentials, its paths, and where it is with ICE. Pure.

What a datagram does to it is decided by `rtcserver.transport.ice`.
"""

from __future__ import annotations

from binascii import crc32
from enum import Enum, auto

from rtcserver.transport.address import Path
from rtcserver.transport.budget import PeerBudget
from rtcserver.transport.consent import Credentials, Kept

_SEEN_BITS = 8192


class IceState(Enum):
    """Where a peer is with ICE."""

    WAITING = auto()
    CHECKED = auto()
    SELECTED = auto()
    RESTARTING = auto()
    CLOSED = auto()


class IceEvent(Enum):
    """What moves it."""

    CHECK = auto()
    NOMINATION = auto()
    SECURED = auto()
    RESTART = auto()
    CLOSE = auto()


TRANSITIONS: dict[IceState, dict[IceEvent, IceState]] = {
    IceState.WAITING: {
        IceEvent.CHECK: IceState.CHECKED,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.SECURED: IceState.WAITING,
        IceEvent.RESTART: IceState.WAITING,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.CHECKED: {
        IceEvent.CHECK: IceState.CHECKED,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.SECURED: IceState.SELECTED,
        IceEvent.RESTART: IceState.CHECKED,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.SELECTED: {
        IceEvent.CHECK: IceState.SELECTED,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.SECURED: IceState.SELECTED,
        IceEvent.RESTART: IceState.RESTARTING,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.RESTARTING: {
        IceEvent.CHECK: IceState.RESTARTING,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.SECURED: IceState.RESTARTING,
        IceEvent.RESTART: IceState.RESTARTING,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.CLOSED: {},
}


class Bound:
    """What is known of one bound path.

    kept: the last check on it, if another one like it changes nothing. challenge: the transaction id of our request, b""
    if there is none; key: what it is answered with. proven: whether its other end has shown that it gets what we
    send there. wanted: whether it is to be selected as soon as it is proven.
    """

    __slots__ = (
        "challenge",
        "challenged_ns",
        "kept",
        "key",
        "last_ns",
        "priority",
        "proven",
        "streak",
        "wanted",
    )

    def __init__(self, now_ns: int) -> None:
        self.priority = 0
        self.streak = 0
        self.last_ns = now_ns
        self.kept: Kept | None = None
        self.challenge = self.key = b""
        self.challenged_ns = 0
        self.proven = self.wanted = False


class IceAgent:
    """The ICE-lite side of one peer. Made by `IceRegistry.create`; `owner` is the caller's own.

    budget: what the peer may ask for in a second. secured: whether there is something to send, so that a path has to be
    proven before it is selected. nominated: whether the peer has nominated a path; one that is selected without that is left
    for the first that it nominates.
    """

    __slots__ = (
        "_seen",
        "bound",
        "budget",
        "current",
        "last_check_ns",
        "nominated",
        "owner",
        "pending",
        "secured",
        "selected",
        "state",
    )

    def __init__(self, credentials: Credentials, owner: object, now_ns: int, budget: PeerBudget) -> None:
        self.budget = budget
        self.secured = self.nominated = False
        self.current = credentials
        self.pending: Credentials | None = None
        self.owner = owner
        self.state = IceState.WAITING
        self.bound: dict[Path, Bound] = {}
        self.selected: Path | None = None
        self.last_check_ns = now_ns
        """Time of the last authenticated request, or of the creation."""
        self._seen: bytearray = bytearray()

    def is_replay(self, transaction_id: bytes) -> bool:
        """Whether the id was probably noted before: a Bloom filter that lasts for hours of checks."""
        if not self._seen:
            return False
        first, second = _seen_bits(transaction_id)
        seen = self._seen
        return bool(seen[first >> 3] >> (first & 7) & seen[second >> 3] >> (second & 7) & 1)

    def note(self, transaction_id: bytes) -> None:
        """Remember a transaction id."""
        if not self._seen:
            self._seen = bytearray(_SEEN_BITS // 8)
        for bit in _seen_bits(transaction_id):
            self._seen[bit >> 3] |= 1 << (bit & 7)

    def is_proven(self, path: Path) -> bool:
        """Whether whoever is at the other end of `path` gets what is sent there."""
        bound = self.bound.get(path)
        return bound is not None and bound.proven

    def prove(self, path: Path) -> None:
        """The other end of `path` has answered what it could only have got there."""
        bound = self.bound.get(path)
        if bound is not None:
            bound.proven = True

    def advance(self, event: IceEvent) -> None:
        """Move by the table. An illegal move is our own mistake and raises KeyError."""
        self.state = TRANSITIONS[self.state][event]


def _seen_bits(transaction_id: bytes) -> tuple[int, int]:
    """Two places in the filter. A request for a new path is refused by mistake once in ten after an hour
    of checks; the client's next one has another id."""
    spread = crc32(transaction_id)
    return spread % _SEEN_BITS, (spread >> 13) % _SEEN_BITS

"""ICE-lite for many peers on one port (RFC 8445): which datagram belongs to whom, and where answers go.

Pure: datagrams, paths and `now_ns` go in; replies and events come out.

- A peer is found by its *ufrag* (20 characters, unique) in an authenticated check, and from then on
  by its *path*, the 5-tuple. Nothing else ever binds a path: a stranger gets silence.
- The controlling side nominates with USE-CANDIDATE; media goes to the *selected* path only.
- The address changes by an authenticated check with USE-CANDIDATE. Some browsers put it in every
  check of every pair ("aggressive", RFC 5245, section 8.1.1.2), others only in the pair that they
  chose. So a nomination takes over at once if its PRIORITY is at least that of the selected path,
  and otherwise on its second check in a row: an aggressive agent alternates between its pairs,
  one that has moved does not. Many clients nominate once and then only check (RFC 7675): when their
  NAT gives them another address, they do not know. So when the selected path has been silent for
  `SILENT_SELECTED_NS`, any authenticated check takes over.
- An ICE restart (RFC 8445, section 2.4; 9) makes new credentials; the old ones stay good, and media
  stays where it is, until the new ones nominate.

STUN has no replay protection of its own: whoever sees a check could send it again from elsewhere and draw
the stream there. So a transaction id that was seen before binds no further path.

A path that a live peer has used within `PATH_HOLD_NS` cannot be claimed by another peer: with a
forged source address that would cut off the first one.
"""

from __future__ import annotations

import os
from base64 import b64encode
from binascii import crc32
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto

from rtcserver.transport import stun
from rtcserver.transport.address import Path
from rtcserver.transport.consent import Credentials, Kept

UFRAG_CHARS = 20
PASSWORD_CHARS = 24
"""RFC 8839, section 5.4 asks for at least 22 characters (128 bits); 24 of 64 letters are 144 bits."""

MAX_PATHS = 16
"""Bound paths of one peer: its candidates times ours. Beyond, the one idle for longest gives way."""

PATH_HOLD_NS = 5_000_000_000
SILENT_SELECTED_NS = 5_000_000_000
"""Without a check on the selected path for this long, the next checked path takes over. Consent checks
come every 4 to 6 s (RFC 7675, section 5.1), so a client that has moved waits for its second one at most."""

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
    RESTART = auto()
    CLOSE = auto()


TRANSITIONS: dict[IceState, dict[IceEvent, IceState]] = {
    IceState.WAITING: {
        IceEvent.CHECK: IceState.CHECKED,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.RESTART: IceState.WAITING,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.CHECKED: {
        IceEvent.CHECK: IceState.CHECKED,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.RESTART: IceState.CHECKED,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.SELECTED: {
        IceEvent.CHECK: IceState.SELECTED,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.RESTART: IceState.RESTARTING,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.RESTARTING: {
        IceEvent.CHECK: IceState.RESTARTING,
        IceEvent.NOMINATION: IceState.SELECTED,
        IceEvent.RESTART: IceState.RESTARTING,
        IceEvent.CLOSE: IceState.CLOSED,
    },
    IceState.CLOSED: {},
}


class _Bound:
    """What is known of one bound path. kept: the last check on it, if another one like it changes nothing."""

    __slots__ = ("kept", "last_ns", "priority", "streak")

    def __init__(self, now_ns: int) -> None:
        self.priority = 0
        self.streak = 0
        self.last_ns = now_ns
        self.kept: Kept | None = None


class IceAgent:
    """The ICE-lite side of one peer. Made by `IceRegistry.create`; `owner` is the caller's own."""

    __slots__ = ("_seen", "bound", "current", "last_check_ns", "owner", "pending", "selected", "state")

    def __init__(self, credentials: Credentials, owner: object, now_ns: int) -> None:
        self.current = credentials
        self.pending: Credentials | None = None
        self.owner = owner
        self.state = IceState.WAITING
        self.bound: dict[Path, _Bound] = {}
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

    def advance(self, event: IceEvent) -> None:
        """Move by the table. An illegal move is our own mistake and raises KeyError."""
        self.state = TRANSITIONS[self.state][event]


@dataclass(frozen=True, slots=True)
class Checked:
    """An authenticated check: send `reply` back on its path.

    moved: another path is selected now, or the new generation of a restart nominated the same one.
    """

    agent: IceAgent
    reply: bytes
    moved: bool


def _seen_bits(transaction_id: bytes) -> tuple[int, int]:
    """Two places in the filter. A request for a new path is refused by mistake once in ten after an hour
    of checks; the client's next one has another id."""
    spread = crc32(transaction_id)
    return spread % _SEEN_BITS, (spread >> 13) % _SEEN_BITS


def make_credentials(remote_ufrag: str) -> Credentials:
    """Random credentials of one generation."""
    # Base64 of whole groups of three bytes is made of ice-chars alone (RFC 8839, section 5.4).
    letters = b64encode(os.urandom((UFRAG_CHARS + PASSWORD_CHARS) // 4 * 3)).decode()
    return Credentials(letters[:UFRAG_CHARS], letters[UFRAG_CHARS:], remote_ufrag)


class IceRegistry:
    """All agents of the port. `counters` counts checks, and what is not answered, by reason."""

    def __init__(self, counters: Counter[str] | None = None) -> None:
        self._by_ufrag: dict[bytes, tuple[IceAgent, Credentials]] = {}
        self._by_path: dict[Path, IceAgent] = {}
        self._agents = 0
        self.counters: Counter[str] = Counter() if counters is None else counters

    def __len__(self) -> int:
        return self._agents

    @property
    def paths(self) -> int:
        """Number of bound paths."""
        return len(self._by_path)

    def create(self, remote_ufrag: str, owner: object, now_ns: int) -> IceAgent:
        """A new agent with a ufrag that no other has."""
        agent = IceAgent(self._fresh(remote_ufrag), owner, now_ns)
        self._by_ufrag[agent.current.ufrag.encode()] = (agent, agent.current)
        self._agents += 1
        return agent

    def restart(self, agent: IceAgent, remote_ufrag: str) -> Credentials:
        """New local credentials for `agent`; the old ones stay valid until the new ones nominate."""
        agent.advance(IceEvent.RESTART)
        if agent.pending is not None:
            del self._by_ufrag[agent.pending.ufrag.encode()]
        agent.pending = self._fresh(remote_ufrag)
        self._by_ufrag[agent.pending.ufrag.encode()] = (agent, agent.pending)
        return agent.pending

    def remove(self, agent: IceAgent) -> None:
        """Forget an agent and its paths. Idempotent."""
        if agent.state is IceState.CLOSED:
            return
        agent.advance(IceEvent.CLOSE)
        self._agents -= 1
        for credentials in (agent.current, agent.pending):
            if credentials is not None:
                self._by_ufrag.pop(credentials.ufrag.encode(), None)
        for path in agent.bound:
            if self._by_path.get(path) is agent:
                del self._by_path[path]
        agent.bound.clear()
        agent.selected = None

    def owner_of(self, path: Path) -> IceAgent | None:
        """The agent whose authenticated checks bound `path`, or None: drop what came on it."""
        return self._by_path.get(path)

    def receive(self, data: bytes, path: Path, now_ns: int) -> Checked | None:
        """Handle one STUN datagram. None: silence. Never raises on any bytes."""
        count = self.counters
        again = self._receive_again(data, path, now_ns)
        if again is not None:
            return again
        try:
            message = stun.parse(data)
        except stun.StunError:
            count["stun_malformed"] += 1
            return None
        if message.kind != stun.BINDING_REQUEST:
            # A lite agent sends no requests, so a response is nobody's; an indication is a keep-alive.
            count["stun_not_request"] += 1
            return None
        if not message.fingerprint or not message.integrity_at or message.username is None:
            count["stun_incomplete"] += 1
            return None
        local, separator, remote = message.username.partition(b":")
        found = self._by_ufrag.get(local)
        if found is None or not separator:
            count["stun_unknown_ufrag"] += 1
            return None
        agent, credentials = found
        if credentials.remote_ufrag and remote != credentials.remote_ufrag.encode():
            count["stun_wrong_remote_ufrag"] += 1
            return None
        key = credentials.password.encode()
        if not stun.verify(data, message, key):
            count["stun_bad_integrity"] += 1
            return None

        tid = message.transaction_id
        if message.unknown:
            count["stun_unknown_attribute"] += 1
            return Checked(
                agent, stun.build_error(tid, 420, "Unknown Attribute", key, message.unknown), False
            )
        if message.controlling is False:
            # We are lite and so always controlled (RFC 8445, sections 6.1.1 and 7.3.1.1).
            count["stun_role_conflict"] += 1
            return Checked(agent, stun.build_error(tid, 487, "Role Conflict", key), False)
        if path not in agent.bound and agent.is_replay(tid):
            count["stun_replayed"] += 1
            return None
        if not self._bind(agent, path, now_ns):
            count["stun_path_taken"] += 1
            return None
        agent.note(tid)
        count["stun_checks"] += 1
        agent.last_check_ns = now_ns
        moved = self._apply(agent, credentials, path, message, now_ns)
        if path == agent.selected and credentials is agent.current:
            agent.bound[path].kept = Kept.of(data, message, credentials, path.remote[:2])
        return Checked(agent, stun.build_success(tid, path.remote[:2], key), moved)

    def _receive_again(self, data: bytes, path: Path, now_ns: int) -> Checked | None:
        """Answer a check for consent that is like the one before. None: look at it as at any other.

        Almost everything that ever arrives is one of these. It does here exactly what it would do there, for
        half the price.
        """
        agent = self._by_path.get(path)
        if agent is None or agent.pending is not None:
            return None
        bound = agent.bound[path]
        kept = bound.kept
        if (
            kept is None
            or kept.credentials is not agent.current
            or (kept.nominates and len(agent.bound) > 1)
            or path != agent.selected
            or not kept.comes_again(data)
        ):
            return None
        tid = data[8 : stun.HEADER_BYTES]
        agent.note(tid)
        self.counters["stun_checks"] += 1
        bound.last_ns = agent.last_check_ns = now_ns
        bound.streak += kept.nominates
        return Checked(agent, kept.reply(tid), False)

    def _fresh(self, remote_ufrag: str) -> Credentials:
        while True:
            credentials = make_credentials(remote_ufrag)
            if credentials.ufrag.encode() not in self._by_ufrag:
                return credentials

    def _bind(self, agent: IceAgent, path: Path, now_ns: int) -> bool:
        bound = agent.bound.get(path)
        if bound is not None:
            bound.last_ns = now_ns
            return True
        other = self._by_path.get(path)
        if other is not None:
            if now_ns - other.bound[path].last_ns < PATH_HOLD_NS:
                return False
            del other.bound[path]
            if other.selected == path:
                other.selected = None
        if len(agent.bound) >= MAX_PATHS:
            idle = min((p for p in agent.bound if p != agent.selected), key=lambda p: agent.bound[p].last_ns)
            del agent.bound[idle]
            del self._by_path[idle]
            self.counters["paths_evicted"] += 1
        agent.bound[path] = _Bound(now_ns)
        self._by_path[path] = agent
        return True

    def _apply(
        self,
        agent: IceAgent,
        credentials: Credentials,
        path: Path,
        message: stun.StunMessage,
        now_ns: int,
    ) -> bool:
        """Nomination rules. Returns `Checked.moved`."""
        bound = agent.bound[path]
        if message.priority is not None:
            bound.priority = message.priority
        if agent.pending is not None and credentials is agent.current:
            # While a restart is pending the old generation only keeps the old path alive.
            agent.advance(IceEvent.CHECK)
            return False
        if not message.use_candidate:
            agent.advance(IceEvent.CHECK)
            if agent.state is not IceState.SELECTED or path == agent.selected:
                return False
            return self._select(agent, path) if self._selected_is_silent(agent, now_ns) else False

        for each in agent.bound.values():
            if each is not bound:
                each.streak = 0
        bound.streak += 1
        restarted = agent.pending is not None
        if agent.pending is not None:
            del self._by_ufrag[agent.current.ufrag.encode()]
            agent.current, agent.pending = agent.pending, None
        agent.advance(IceEvent.NOMINATION)
        if path == agent.selected:
            return restarted
        selected = agent.bound.get(agent.selected) if agent.selected is not None else None
        if (
            selected is None
            or restarted
            or bound.priority >= selected.priority
            or bound.streak >= 2
            or self._selected_is_silent(agent, now_ns)
        ):
            return self._select(agent, path)
        return False

    def _selected_is_silent(self, agent: IceAgent, now_ns: int) -> bool:
        selected = agent.bound.get(agent.selected) if agent.selected is not None else None
        return selected is None or now_ns - selected.last_ns > SILENT_SELECTED_NS

    def _select(self, agent: IceAgent, path: Path) -> bool:
        agent.selected = path
        self.counters["selections"] += 1
        return True

"""ICE-lite for many peers on one port (RFC 8445): which datagram belongs to whom, and where answers go.

Pure: datagrams, paths and `now_ns` go in; replies and events come out.

- A peer is found by its *ufrag* (20 characters, unique) in an authenticated check, and from then on
  by its *path*, the 5-tuple. Nothing else ever binds a path: a stranger gets silence.
- The controlling side nominates with USE-CANDIDATE; media goes to the *selected* path only.
- Where DTLS is done before anything is nominated, the path of its last flight is selected until then. RFC 8445, section
  12.1.2 lets a lite agent wait for the nomination, but browsers nominate to such a one only by the next check on the pair
  that they have chosen and that works: 60 ms later, and two seconds later on a slow line. DTLS goes by the pair that they
  have chosen, and its handshake has proven the path.
- The address changes by an authenticated check with USE-CANDIDATE. Some browsers put it in every
  check of every pair ("aggressive", RFC 5245, section 8.1.1.2), others only in the pair that they
  chose. So a nomination takes over at once if its PRIORITY is at least that of the selected path,
  and otherwise on its second check in a row: an aggressive agent alternates between its pairs,
  one that has moved does not. Many clients nominate once and then only check (RFC 7675): when their
  NAT gives them another address, they do not know. So when the selected path has been silent for
  `SILENT_SELECTED_NS`, any authenticated check takes over. When it has been silent for less, as between two checks for
  consent, it is asked by Binding requests of ours whether it is still there: if it answers, nothing changes, and
  if it does not within a second, the path of the check takes over.
- Whoever holds a session's password can send a check with a forged source address. So from the moment that a stream
  is at stake (`IceAgent.secured`), no path is selected before its other end has answered a request of ours there: a
  check that would move the stream is answered, and a *challenge* goes along, a Binding request with a transaction id
  that only its receiver learns. Every full agent answers it at once (RFC 8445, section 7.3). So the move costs a
  round trip, and a session cannot be turned on somebody who did not ask for it.
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
from collections import Counter
from dataclasses import dataclass

from rtcserver.transport import stun
from rtcserver.transport.address import Path
from rtcserver.transport.budget import CHECKS, NEW_PATHS, PeerBudget
from rtcserver.transport.consent import Credentials, Kept
from rtcserver.transport.doubt import DOUBT_NS, Doubts
from rtcserver.transport.ice_agent import Bound, IceAgent, IceEvent, IceState

UFRAG_CHARS = 20
PASSWORD_CHARS = 24
"""RFC 8839, section 5.4 asks for at least 22 characters (128 bits); 24 of 64 letters are 144 bits."""

MAX_PATHS = 16
"""Bound paths of one peer: its candidates times ours. Beyond, the one idle for longest gives way."""

CHALLENGE_NS = 400_000_000
"""Between two challenges on a path; each goes along with the answer to a check."""
PROOF_NS = 30_000_000_000
"""A path on which nothing came for so long has to be proven anew: its address may have a new owner (RFC 7675)."""
PATH_HOLD_NS = 5_000_000_000
SILENT_SELECTED_NS = 5_000_000_000
"""Without a check on the selected path for this long, the next checked path takes over. Consent checks
come every 4 to 6 s (RFC 7675, section 5.1), so a client that has moved waits for its second one at most."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An authenticated check, or the answer to one of ours: send `reply` and `challenge` back on its path, if any.

    moved: another path is selected now, or the new generation of a restart nominated the same one, or the selected one
    was proven.
    """

    agent: IceAgent
    reply: bytes
    moved: bool
    challenge: bytes = b""


def make_credentials(remote_ufrag: str, remote_password: str = "") -> Credentials:
    """Random credentials of one generation, for a client with its own."""
    # Base64 of whole groups of three bytes is made of ice-chars alone (RFC 8839, section 5.4).
    letters = b64encode(os.urandom((UFRAG_CHARS + PASSWORD_CHARS) // 4 * 3)).decode()
    return Credentials(letters[:UFRAG_CHARS], letters[UFRAG_CHARS:], remote_ufrag, remote_password)


class IceRegistry:
    """All agents of the port. `counters` counts checks, and what is not answered, by reason."""

    def __init__(self, counters: Counter[str] | None = None) -> None:
        self._by_ufrag: dict[bytes, tuple[IceAgent, Credentials]] = {}
        self._by_path: dict[Path, IceAgent] = {}
        self._agents = 0
        self.counters: Counter[str] = Counter() if counters is None else counters
        self.doubts = Doubts(self.challenge, self._select, self.counters)

    def __len__(self) -> int:
        return self._agents

    @property
    def paths(self) -> int:
        """Number of bound paths."""
        return len(self._by_path)

    def create(self, remote_ufrag: str, owner: object, now_ns: int, remote_password: str = "") -> IceAgent:
        """A new agent with a ufrag that no other has."""
        credentials = self._fresh(remote_ufrag, remote_password)
        agent = IceAgent(credentials, owner, now_ns, PeerBudget(self.counters))
        self._by_ufrag[agent.current.ufrag.encode()] = (agent, agent.current)
        self._agents += 1
        return agent

    def restart(self, agent: IceAgent, remote_ufrag: str, remote_password: str = "") -> Credentials:
        """New local credentials for `agent`; the old ones stay valid until the new ones nominate."""
        agent.advance(IceEvent.RESTART)
        if agent.pending is not None:
            del self._by_ufrag[agent.pending.ufrag.encode()]
        agent.pending = self._fresh(remote_ufrag, remote_password)
        self._by_ufrag[agent.pending.ufrag.encode()] = (agent, agent.pending)
        return agent.pending

    def remove(self, agent: IceAgent) -> None:
        """Forget an agent and its paths. Idempotent."""
        if agent.state is IceState.CLOSED:
            return
        agent.advance(IceEvent.CLOSE)
        self._agents -= 1
        self.doubts.end(agent)
        for credentials in (agent.current, agent.pending):
            if credentials is not None:
                self._by_ufrag.pop(credentials.ufrag.encode(), None)
        for path in agent.bound:
            if self._by_path.get(path) is agent:
                del self._by_path[path]
        agent.bound.clear()
        agent.selected = None

    def unbind(self, path: Path) -> None:
        """Forget a path that is no more. Where it was the selected one, the next that is checked takes over."""
        agent = self._by_path.pop(path, None)
        if agent is not None:
            del agent.bound[path]
            if agent.selected == path:
                agent.selected = None

    def carried(self, agent: IceAgent, path: Path) -> None:
        """The last flight of the DTLS handshake came on this path: it is selected, if it is proven and none is nominated."""
        if agent.state is IceState.CHECKED and agent.pending is None and agent.is_proven(path):
            agent.advance(IceEvent.SECURED)
            self._select(agent, path)

    def owner_of(self, path: Path) -> IceAgent | None:
        """The agent whose authenticated checks bound `path`, or None: drop what came on it."""
        return self._by_path.get(path)

    def receive(self, data: bytes, path: Path, now_ns: int) -> Checked | None:
        """Handle one STUN datagram. None: silence. Never raises on any bytes."""
        count = self.counters
        known = self._by_path.get(path)
        if known is not None:
            if not known.budget.take(CHECKS, now_ns):
                return None
            again = self._receive_again(known, data, path, now_ns)
            if again is not None:
                return again
        try:
            message = stun.parse(data)
        except stun.StunError:
            count["stun_malformed"] += 1
            return None
        if message.kind == stun.BINDING_SUCCESS and known is not None:
            return self._receive_answer(known, data, message, path, now_ns)
        if message.kind != stun.BINDING_REQUEST:
            # An indication is a keep-alive.
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
        if agent is not known and not agent.budget.take(NEW_PATHS, now_ns):
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
        bound = agent.bound[path]
        challenge = b""
        if (
            agent.secured
            and not bound.proven
            and (bound.wanted or path == agent.selected)
            and (not bound.challenge or now_ns - bound.challenged_ns >= CHALLENGE_NS)
        ):
            bound.challenged_ns = now_ns
            challenge = self._challenge(bound, credentials, remote)
        if path == agent.selected and credentials is agent.current:
            bound.kept = Kept.of(data, message, credentials, path.remote[:2])
        return Checked(agent, stun.build_success(tid, path.remote[:2], key), moved, challenge)

    def challenge(self, agent: IceAgent, path: Path) -> bytes:
        """A request to send on `path`, which is bound, so that it is proven."""
        credentials = agent.current
        return self._challenge(agent.bound[path], credentials, credentials.remote_ufrag.encode())

    def _challenge(self, bound: Bound, credentials: Credentials, remote: bytes) -> bytes:
        self.counters["stun_challenges"] += 1
        bound.challenge = bound.challenge or os.urandom(12)
        bound.key = credentials.remote_password.encode()
        username = remote + b":" + credentials.ufrag.encode()
        return stun.build_request(bound.challenge, username, bound.key, controlling=False)

    def _receive_answer(
        self, agent: IceAgent, data: bytes, message: stun.StunMessage, path: Path, now_ns: int
    ) -> Checked | None:
        """The answer to a challenge: the path is proven, and selected if that was what it waited for."""
        bound = agent.bound[path]
        if not bound.challenge or message.transaction_id != bound.challenge:
            self.counters["stun_not_request"] += 1
            return None
        if not stun.verify(data, message, bound.key):
            self.counters["stun_bad_integrity"] += 1
            return None
        self.counters["stun_proven"] += 1
        bound.challenge = b""
        moved = path == agent.selected and not bound.proven
        bound.proven = True
        bound.last_ns = agent.last_check_ns = now_ns
        if bound.wanted:
            moved = self._select(agent, path)
        return Checked(agent, b"", moved)

    def _receive_again(self, agent: IceAgent, data: bytes, path: Path, now_ns: int) -> Checked | None:
        """Answer a check for consent that is like the one before. None: look at it as at any other.

        Almost everything that ever arrives is one of these. It does here exactly what it would do there, for
        half the price.
        """
        if agent.pending is not None:
            return None
        bound = agent.bound[path]
        kept = bound.kept
        if (
            kept is None
            or kept.credentials is not agent.current
            or (kept.nominates and len(agent.bound) > 1)
            or path != agent.selected
            or (agent.secured and not bound.proven)
            or not kept.comes_again(data)
        ):
            return None
        tid = data[8 : stun.HEADER_BYTES]
        agent.note(tid)
        self.counters["stun_checks"] += 1
        bound.last_ns = agent.last_check_ns = now_ns
        bound.streak += kept.nominates
        return Checked(agent, kept.reply(tid), False)

    def _fresh(self, remote_ufrag: str, remote_password: str) -> Credentials:
        while True:
            credentials = make_credentials(remote_ufrag, remote_password)
            if credentials.ufrag.encode() not in self._by_ufrag:
                return credentials

    def _bind(self, agent: IceAgent, path: Path, now_ns: int) -> bool:
        bound = agent.bound.get(path)
        if bound is not None:
            if now_ns - bound.last_ns > PROOF_NS and not path.stream:
                bound.proven = False
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
        bound = agent.bound[path] = Bound(now_ns)
        # Whoever opened a TCP connection got what was sent to their address, or there would be none.
        bound.proven = path.stream > 0
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
            if self._selected_is_silent(agent, now_ns):
                return self._select(agent, path)
            if agent.secured and self._selected_is_silent(agent, now_ns, DOUBT_NS):
                self.doubts.begin(agent, path, now_ns)
            return False

        for each in agent.bound.values():
            if each is not bound:
                each.streak = 0
        bound.streak += 1
        restarted = agent.pending is not None
        first, agent.nominated = not agent.nominated, True
        if agent.pending is not None:
            del self._by_ufrag[agent.current.ufrag.encode()]
            agent.current, agent.pending = agent.pending, None
        agent.advance(IceEvent.NOMINATION)
        if path == agent.selected:
            for each in agent.bound.values():
                each.wanted = False
            return restarted
        selected = agent.bound.get(agent.selected) if agent.selected is not None else None
        if (
            selected is None
            or first
            or restarted
            or bound.priority >= selected.priority
            or bound.streak >= 2
            or self._selected_is_silent(agent, now_ns)
        ):
            return self._select(agent, path)
        return False

    def _selected_is_silent(self, agent: IceAgent, now_ns: int, for_ns: int = SILENT_SELECTED_NS) -> bool:
        selected = agent.bound.get(agent.selected) if agent.selected is not None else None
        return selected is None or now_ns - selected.last_ns > for_ns

    def _select(self, agent: IceAgent, path: Path) -> bool:
        """Select a path, or want it until it is proven. Returns `Checked.moved`."""
        if agent.secured and not agent.bound[path].proven:
            agent.bound[path].wanted = True
            return False
        for each in agent.bound.values():
            each.wanted = False
        agent.selected = path
        self.counters["selections"] += 1
        return True

"""The door: who may do what, in which room. Pure; the wall time comes in.

Every entry of the server asks it: signaling for each HTTP request, a room's desk when a session wants to perform.
Three entries do not. ``/healthz`` is for whoever watches the process; a room's page, its scripts and styles hold nothing
of the room, and come before a browser can show the token of a link; and a session's own URL, which nobody can guess,
is the right to change and end that session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from rtcserver.access.rules import AccessRule
from rtcserver.access.token import read
from rtcserver.errors import PeerError


class Action(Enum):
    """What somebody may want."""

    LISTEN = "listen"
    """Open a session that hears a room, in whichever mode."""
    PERFORM = "perform"
    """Play a room's instrument, and hand it files to play."""
    READ = "read"
    """See what the API tells: rooms, sessions, sounds, metrics."""
    RECORD = "record"
    """Record a room at the server. Nothing asks for it yet."""
    PUBLISH = "publish"
    """Send sound into a room. Nothing asks for it yet."""
    ADMIN = "admin"
    """End others' sessions. Nothing asks for it yet."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody at the door.

    room: None for the server as a whole. credential: the token that they show, or "". address: their IP address,
    or "" if unknown.
    """

    action: Action
    room: str | None
    credential: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not: 401 if a credential would help, 403 if the one that they show does not."""

    status: int
    code: str
    sentence: str


Rule = Callable[[Request, float], Refusal | None]
"""Judges a request at a wall time in seconds since 1970: None lets it pass."""


class Rules:
    """A rule for every action: the operator's rules, with tokens of `key`.

    revoked: whether the token with this id counts no more.
    """

    def __init__(
        self, rules: Sequence[AccessRule], key: bytes, revoked: Callable[[str], bool] = lambda token_id: False
    ) -> None:
        self._rules = tuple(rules)
        self._key = key
        self._revoked = revoked

    def __call__(self, request: Request, now_s: float) -> Refusal | None:
        action = request.action.value
        about = [rule for rule in self._rules if rule.is_for(action, request.room)]
        near = [rule for rule in about if rule.has(request.address)]
        if any(not rule.token for rule in near):
            return None
        if not about:
            return Refusal(403, "not_allowed", f"Nobody may {action} here.")
        if not near:
            return Refusal(403, "wrong_network", "This is not open to the network that you come from.")
        if not request.credential:
            return Refusal(401, "no_token", _NEEDED[request.action])
        wrong = self._wrong(request, now_s)
        return None if wrong is None else Refusal(403, "bad_token", wrong)

    def _wrong(self, request: Request, now_s: float) -> str | None:
        """What is wrong with the token that a request shows."""
        token = read(self._key, request.credential)
        if token is None:
            return "This link is not valid on this server."
        if self._revoked(token.id):
            return "This link has been revoked."
        if now_s >= token.expires_s:
            return "This link has expired; ask for a new one."
        if not token.covers(request.action.value, request.room):
            return "This link is not valid for this room, or not for this."
        return None


_NEEDED = dict.fromkeys(
    Action, "This needs a link with a token, or the token in the Authorization header."
) | {
    Action.PERFORM: "This needs the token of the performer link.",
    Action.LISTEN: "From your network, listening needs a link with a token.",
}


class Door:
    """One rule for each action; an action without a rule is refused to all."""

    def __init__(self, rules: Mapping[Action, Rule]) -> None:
        self._rules = dict(rules)

    def judge(self, request: Request, now_s: float) -> Refusal | None:
        """None if the request may pass at wall time `now_s`, else why not."""
        rule = self._rules.get(request.action)
        if rule is None:
            return Refusal(403, "not_allowed", f"Nobody may {request.action.value} here.")
        return rule(request, now_s)

    def check(self, request: Request, now_s: float) -> None:
        """Raises PeerError with the reason unless the request may pass."""
        refusal = self.judge(request, now_s)
        if refusal is not None:
            raise PeerError(refusal.status, refusal.code, refusal.sentence)


def house(
    rules: Sequence[AccessRule], key: bytes, revoked: Callable[[str], bool] = lambda token_id: False
) -> Door:
    """The door of a server with these rules, for every action."""
    return Door(dict.fromkeys(Action, Rules(rules, key, revoked)))

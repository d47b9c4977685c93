"""The door: who may do what, in which room. Pure; the wall time comes in.

Every entry of the server asks it: signaling for each HTTP request, a room's desk when a session wants to perform.
Three entries do not. ``/healthz`` is for whoever watches the process; a page's scripts and styles hold nothing of a
room; and a session's own URL, which nobody can guess, is the right to change and end that session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from rtcserver.access.token import verify
from rtcserver.errors import PeerError


class Action(Enum):
    """What somebody may want."""

    LISTEN = "listen"
    """Open a session that hears a room, in whichever mode."""
    PERFORM = "perform"
    """Play a room's instrument, and hand it files to play."""
    READ = "read"
    """See the pages and what the API tells: rooms, sessions, sounds, metrics."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody at the door. room: None for the server as a whole. credential: what they show, or ""."""

    action: Action
    room: str | None
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not: 401 if a credential would help, 403 if the one that they show does not."""

    status: int
    code: str
    sentence: str


Rule = Callable[[Request, float], Refusal | None]
"""Judges a request at a wall time in seconds since 1970: None lets it pass."""


def anyone(request: Request, now_s: float) -> Refusal | None:
    """A rule that lets everybody pass."""
    return None


class PerformerLinks:
    """A rule: the credential is a performer's token of the room, signed with `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __call__(self, request: Request, now_s: float) -> Refusal | None:
        if not request.credential:
            return Refusal(401, "no_token", "This needs the token of the performer link.")
        if request.room is None or not verify(self._secret, request.credential, request.room, now_s):
            return Refusal(
                403, "bad_token", "This performer link is not valid for this room, or it is too old."
            )
        return None


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


def open_house(secret: bytes) -> Door:
    """Everybody may listen and look; who has a room's performer link may perform in it."""
    return Door(
        {Action.LISTEN: anyone, Action.READ: anyone, Action.PERFORM: PerformerLinks(secret)},
    )

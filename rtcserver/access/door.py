"""The door: who may do what, in which room. Pure; the wall time comes in.

Every entry of the server asks it: signaling for each HTTP request, a room's desk when a session wants to perform; both
by way of `rtcserver.access.authorizer`, which settles what takes time. Three entries do not. ``/healthz`` is for
whoever watches the process; a room's page, its scripts and styles hold nothing of the room, and come before a browser
can show the token of a link; and a session's own URL, which nobody can guess, is the right to change and end that session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from rtcserver.access.credentials import Credentials
from rtcserver.access.rules import AccessRule
from rtcserver.access.users import User
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
    """See and end others' sessions, see and revoke tokens."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody at the door.

    room: None for the server as a whole. credential: the token that they show, or "". address: their IP address,
    or "" if unknown. user, password: of Basic authentication, or "". doubtful: whether a proxy that is not trusted
    stands between, so that `address` is not known to be theirs. session: the public name of the session that is
    meant, or "". shown: whether only what they show counts, and not the network that they come from.
    """

    action: Action
    room: str | None
    credential: str = field(default="", repr=False)
    address: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    doubtful: bool = False
    session: str = ""
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """On what ground somebody passed. name: the token's id or the user's name. ends_s: seconds since 1970. proven: the
    hash of the password that the user had. admin: whether they were known to administer the room, too."""

    by: Literal["network", "token", "user", "auth_url"] = "network"
    name: str = ""
    ends_s: float = float("inf")
    proven: str = field(default="", repr=False, compare=False)
    admin: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not: 401 if a credential would help, 403 if the one that they show does not."""

    status: int
    code: str
    sentence: str

    def error(self) -> PeerError:
        """What is answered."""
        return PeerError(self.status, self.code, self.sentence)


@dataclass(frozen=True, slots=True)
class Ask:
    """What takes time has a say.

    proven: the answer if the user's password is right; None where no password is looked at. elsewhere: whether
    `auth_url` may let them pass. otherwise: the answer if nothing does.
    """

    proven: Grant | Refusal | None
    elsewhere: bool
    otherwise: Refusal


Verdict = Grant | Refusal | Ask
Rule = Callable[[Request, float], Verdict]
"""Judges a request at a wall time in seconds since 1970."""


class Rules:
    """A rule for every action: the operator's rules, with what this server has given out."""

    def __init__(self, rules: Sequence[AccessRule], credentials: Credentials) -> None:
        self._rules = tuple(rules)
        self._credentials = credentials

    def __call__(self, request: Request, now_s: float) -> Verdict:
        action = request.action.value
        about = [rule for rule in self._rules if rule.is_for(action, request.room)]
        # Whoever is behind a proxy that is not trusted may be anywhere, and has no network's rights.
        near = [rule for rule in about if rule.has("" if request.doubtful else request.address)]
        if not request.shown and any(not rule.token and not rule.external for rule in near):
            return Grant()
        if not about:
            return Refusal(403, "not_allowed", f"Nobody may {action} here.")
        if not near:
            sentence = "This is not open to the network that you come from."
            return Refusal(403, "wrong_network", sentence + _doubt(request))
        elsewhere = any(rule.external for rule in near)
        refusal = Refusal(401, "no_token", _NEEDED[request.action] + _doubt(request))
        if any(rule.token for rule in near):
            if request.credential:
                found = self._by_token(request, now_s)
                if isinstance(found, Grant):
                    return found
                refusal = found
            elif request.user and self._looks_at(request.user, elsewhere):
                return Ask(self._if_proven(request), elsewhere, _WRONG)
        return Ask(None, True, refusal) if elsewhere else refusal

    def _looks_at(self, user: str, elsewhere: bool) -> bool:
        """Whether a password is to be hashed: for a name that is not known, too, so that the time tells nothing."""
        users = self._credentials.users
        return user in users or (bool(users) and not elsewhere)

    def _if_proven(self, request: Request) -> Grant | Refusal:
        user = self._credentials.users.get(request.user)
        if user is not None and user.covers(request.action.value, request.room):
            return Grant("user", user.name, proven=user.password)
        return Refusal(403, "not_for_user", "This user may not do this here.")

    def _by_token(self, request: Request, now_s: float) -> Grant | Refusal:
        token = self._credentials.read(request.credential)
        wrong = "This link is not valid on this server."
        if token is not None:
            wrong = self._credentials.over(token.id, token.expires_s, now_s)
            if not wrong and token.covers(request.action.value, request.room):
                return Grant("token", token.id, token.expires_s)
        return Refusal(403, "bad_token", wrong or "This link is not valid for this room, or not for this.")


_WRONG = Refusal(401, "bad_password", "The user or the password is wrong.")


def _doubt(request: Request) -> str:
    if not request.doubtful:
        return ""
    return " It came by a proxy that is not in trusted_proxies, or does not say for whom it asks."


_NEEDED = dict.fromkeys(
    Action, "This needs a link with a token, or the token in the Authorization header."
) | {
    Action.PERFORM: "This needs the token of the performer link.",
    Action.LISTEN: "From your network, listening needs a link with a token.",
}


def _never(grant: Grant, now_s: float) -> str:
    return ""


class Door:
    """One rule for each action; an action without a rule is refused to all.

    lapsed: why a grant counts no more at a wall time in seconds since 1970, in a sentence; "" while it does.
    """

    def __init__(self, rules: Mapping[Action, Rule], lapsed: Callable[[Grant, float], str] = _never) -> None:
        self._rules = dict(rules)
        self.lapsed = lapsed

    def judge(self, request: Request, now_s: float) -> Verdict:
        """Whether the request may pass at wall time `now_s`, and on what ground, or why not."""
        rule = self._rules.get(request.action)
        if rule is None:
            return Refusal(403, "not_allowed", f"Nobody may {request.action.value} here.")
        return rule(request, now_s)

    def check(self, request: Request, now_s: float) -> Grant | Ask:
        """Raises PeerError with the reason for what is refused at once."""
        verdict = self.judge(request, now_s)
        if isinstance(verdict, Refusal):
            raise verdict.error()
        return verdict


def house(
    rules: Sequence[AccessRule],
    key: bytes,
    revoked: Callable[[str], bool] = lambda token_id: False,
    users: Sequence[User] = (),
) -> Door:
    """The door of a server with these rules, for every action."""
    credentials = Credentials(key, revoked, users)

    def lapsed(grant: Grant, now_s: float) -> str:
        if grant.by == "token":
            return credentials.over(grant.name, grant.ends_s, now_s)
        if grant.by == "user":
            user = credentials.users.get(grant.name)
            if user is None:
                return "This user is not known here any more."
            if user.password != grant.proven:
                return "This user has another password now."
        return ""

    return Door(dict.fromkeys(Action, Rules(rules, credentials)), lapsed)

"""``POST /api/rooms/{room}/invitations``: a link for somebody else, made by who performs in the room.

Nobody gives away more than they have: the link is for this room, for actions that the inviter may do by what they show
themselves, and ends with their own token at the latest. Being in the right network is no ground to invite, since who is
invited may be elsewhere; nor is `auth_url`, which would not be asked about them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp import web

from rtcserver.access.admission import Admission, ClientRates
from rtcserver.access.door import Action, Grant
from rtcserver.clock import NS, wall_ns
from rtcserver.errors import ConfigError, PeerError
from signaling.entrance import Entrance
from signaling.limits import Limits
from signaling.people import hurry, json_body
from signaling.respond import as_json
from signaling.rooms import RoomDirectory, existing

log = logging.getLogger(__name__)

PER_MINUTE = 10
"""Invitations that one address may make."""
MAX_VALID = 100
"""Invitations of one inviter that are valid at the same time."""
USUAL_HOURS = 24
MAX_HOURS = 30 * 24
MAX_NAME = 32
ROLES: Mapping[str, Sequence[Action]] = {
    "listen": (Action.LISTEN, Action.READ),
    "perform": (Action.LISTEN, Action.READ, Action.PERFORM),
}
"""What each kind of link allows; links that the server prints allow the same."""


class Inviting(Protocol):
    """What keeps tokens, as `rtcserver.server.tokens.TokenStore`. Calls may wait for the disk."""

    def issue(
        self, rooms: Sequence[str], actions: Sequence[str], expires_s: int, name: str = "", by: str = ""
    ) -> str:
        """A new token as text. Raises ConfigError."""

    def listed(self) -> Mapping[str, dict[str, Any]]:
        """By id: name, rooms, actions, expires_s, revoked, by. Raises ConfigError if it cannot be read."""


class Invitations:
    """The handler. tokens: None where none are kept."""

    def __init__(
        self,
        rooms: RoomDirectory,
        entrance: Entrance,
        admission: Admission,
        limits: Limits,
        tokens: Inviting | None,
    ) -> None:
        self._rooms, self._entrance = rooms, entrance
        self._admission, self._limits = admission, limits
        self._tokens = tokens
        self._rates = ClientRates(PER_MINUTE)
        self._making = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/rooms/{room}/invitations", self.invite)]

    async def invite(self, request: web.Request) -> web.Response:
        """``{"role": "listen" or "perform", "hours", "name"}``: 201 with ``path``, relative to the server's root."""
        room = existing(self._rooms, request)
        hurry(self._rates, self._admission, request)
        await self._entrance.check(request, Action.PERFORM, room)
        body = await json_body(request, self._limits)
        role, hours, name = _asked(body)
        grant = await self._own(request, room, ROLES[role])
        now_s = wall_ns() / NS
        ends_s = int(min(now_s + hours * 3600, grant.ends_s))
        text = await self._issue(room, role, ends_s, name, grant, now_s)
        # The fragment of an address reaches no server and no log.
        path = f"r/{quote(room, safe='')}#{role}={text}"
        return as_json({"role": role, "path": path, "expires_s": ends_s}, 201)

    async def _own(self, request: web.Request, room: str, actions: Sequence[Action]) -> Grant:
        """The ground on which they may do all of this by what they show. Raises PeerError."""
        grants = [await self._entrance.check(request, action, room, shown=True) for action in actions]
        if any(grant.by not in ("token", "user") for grant in grants):
            raise PeerError(403, "no_token", "Only who came by a link, or as a user, can invite others.")
        return min(grants, key=lambda grant: grant.ends_s)

    async def _issue(self, room: str, role: str, ends_s: int, name: str, grant: Grant, now_s: float) -> str:
        tokens = self._tokens
        if tokens is None:
            raise PeerError(404, "no_tokens", "This server keeps no tokens.")
        by = grant.name if grant.by == "token" else f"user {grant.name}"
        try:
            # One after the other: two at once would both find the last place free.
            async with self._making:
                listed = await asyncio.to_thread(tokens.listed)
                valid = [one for one in listed.values() if one.get("by") == by and one["expires_s"] > now_s]
                if sum(not one["revoked"] for one in valid) >= MAX_VALID:
                    raise PeerError(
                        429,
                        "too_many",
                        f"You have {MAX_VALID} invitations that are valid; let some of them end first.",
                        retry_after_s=3600,
                    )
                actions = [action.value for action in ROLES[role]]
                text = await asyncio.to_thread(
                    tokens.issue, (room,), actions, ends_s, name or "invitation", by
                )
        except ConfigError as error:
            raise PeerError(503, "no_tokens", str(error)) from error
        log.info("%s invites somebody to %s in %s", f"{grant.by} {grant.name}", role, room)
        return text


def _asked(body: Mapping[str, Any]) -> tuple[str, float, str]:
    """Role, hours and name of a request. Raises PeerError."""
    role = body.get("role", "listen")
    if not isinstance(role, str) or role not in ROLES:
        raise PeerError(400, "malformed", f"role is one of {', '.join(ROLES)}.")
    hours = body.get("hours", USUAL_HOURS)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours <= MAX_HOURS:
        raise PeerError(400, "malformed", f"hours is a number up to {MAX_HOURS}.")
    name = body.get("name", "")
    if not isinstance(name, str):
        raise PeerError(400, "malformed", "name is a text.")
    return role, hours, "".join(c if c.isprintable() else " " for c in name[:256]).strip()[:MAX_NAME].strip()

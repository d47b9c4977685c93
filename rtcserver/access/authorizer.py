"""The authorizer is the door with what takes time: a password's hash, and a decision elsewhere. Loop-bound.

What it waits for is done by the two it is given; nothing here or there is on the way of the sound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from rtcserver.access.door import Action, Ask, Door, Grant, Refusal, Request
from rtcserver.clock import NS, wall_ns


class Passwords(Protocol):
    """Checks passwords, as `rtcserver.access.logins.Logins` does."""

    async def right(self, user: str, password: str, address: str) -> bool:
        """Whether the password is the user's. Raises PeerError(429, 503) beyond its limits."""


class Elsewhere(Protocol):
    """Decides outside of this server, as `rtcserver.server.external.External` does."""

    async def allows(self, request: Request) -> bool:
        """Whether they may. Raises PeerError(503) if it cannot be found out."""


class Authorizer:
    """Lets requests pass or not. door: may be replaced while it serves; `passwords` has to be for the same users."""

    def __init__(
        self, door: Door, passwords: Passwords | None = None, elsewhere: Elsewhere | None = None
    ) -> None:
        self.door = door
        self.passwords = passwords
        self._elsewhere = elsewhere

    @property
    def takes_passwords(self) -> bool:
        """Whether a user and a password may help somebody who is refused."""
        return self.passwords is not None or self._elsewhere is not None

    def check_now(self, request: Request) -> Grant | None:
        """The ground on which the request passes; None if it takes time to find out. Raises PeerError if it may not."""
        found = self.door.check(request, wall_ns() / NS)
        return found if isinstance(found, Grant) else None

    async def check(self, request: Request) -> Grant:
        """The ground on which the request passes. Raises PeerError if it may not, or if that cannot be found out."""
        found = self.door.check(request, wall_ns() / NS)
        return found if isinstance(found, Grant) else await self._settle(request, found)

    async def _settle(self, request: Request, ask: Ask) -> Grant:
        answer = await self._by_password(request, ask)
        if isinstance(answer, Refusal) and ask.elsewhere and await self._by_others(request):
            return Grant("auth_url", request.user)
        if isinstance(answer, Refusal):
            raise answer.error()
        return answer

    async def _by_password(self, request: Request, ask: Ask) -> Grant | Refusal:
        if ask.proven is None or self.passwords is None:
            return ask.otherwise
        right = await self.passwords.right(request.user, request.password, request.address)
        return ask.proven if right else ask.otherwise

    async def _by_others(self, request: Request) -> bool:
        return self._elsewhere is not None and await self._elsewhere.allows(request)

    def marked(self, grant: Grant, request: Request) -> Grant:
        """A grant that says whether who passed by it is known to administer the room, too. What takes time is not asked."""
        found = self.door.judge(replace(request, action=Action.ADMIN), wall_ns() / NS)
        proven = grant.by == "user" and isinstance(found, Ask) and isinstance(found.proven, Grant)
        return replace(grant, admin=proven or isinstance(found, Grant))

    def lapsed(self, grant: Grant) -> str:
        """Why a grant counts no more, in a sentence; "" while it does."""
        return self.door.lapsed(grant, wall_ns() / NS)

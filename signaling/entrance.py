"""Where requests meet the door: what they show, and which action they are."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtcserver.access.admission import Admission
from rtcserver.access.door import Action, Door, Request
from rtcserver.clock import NS, monotonic_ns, wall_ns
from signaling.forwarded import origin_of
from signaling.headers import bearer_of


def credential_of(request: web.Request) -> str:
    """What a request shows to be let in, or ""."""
    return bearer_of(request.headers.get("Authorization", ""))


class Entrance:
    """Asks the door in the name of HTTP requests."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def check(self, request: web.Request, action: Action, room: str | None = None) -> None:
        """Raises PeerError unless the request may do this in the room, or in the server as a whole."""
        asked = Request(action, room, credential_of(request), origin_of(request).address)
        self._door.check(asked, wall_ns() / NS)


def unhurried(admission: Admission) -> Middleware:
    """A middleware that refuses clients which send too many requests (429)."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        admission.request(origin_of(request).address, monotonic_ns())
        return await handler(request)

    return check

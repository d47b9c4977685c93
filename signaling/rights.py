"""What whoever asks may do in a room, so that a page can say so before it shows what would then be refused."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from rtcserver.access.door import Action
from rtcserver.errors import PeerError
from signaling.entrance import Entrance
from signaling.respond import as_json
from signaling.rooms import RoomDirectory, existing

ASKED = (Action.LISTEN, Action.PERFORM)


class Rights:
    """``GET /api/rooms/{room}/rights``, with the token that is asked about in the Authorization header."""

    def __init__(self, rooms: RoomDirectory, entrance: Entrance) -> None:
        self._rooms = rooms
        self._entrance = entrance

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/rooms/{room}/rights", self.rights)]

    async def rights(self, request: web.Request) -> web.Response:
        """For each action ``{"allowed": true}``, or ``{"allowed": false, "error", "message"}`` as it would be refused, or
        ``{"allowed": null}`` where only trying it would tell: a password is looked at, or somebody else is asked."""
        room = existing(self._rooms, request)
        return as_json({action.value: self._judged(request, action, room) for action in ASKED})

    def _judged(self, request: web.Request, action: Action, room: str) -> dict[str, Any]:
        try:
            grant = self._entrance.check_now(request, action, room)
        except PeerError as error:
            return {"allowed": False, "error": error.code, "message": str(error)}
        return {"allowed": True if grant is not None else None}

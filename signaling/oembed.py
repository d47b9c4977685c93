"""``/oembed``: how another site shows a room (https://oembed.com, version 1.0). It answers for rooms of this server only."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from aiohttp import web

from rtcserver.access.door import Action
from rtcserver.errors import PeerError
from signaling.entrance import Entrance
from signaling.forwarded import origin_of
from signaling.preview import CARD_HEIGHT, CARD_WIDTH, HEIGHT, WIDTH, Shown, frame
from signaling.respond import as_json
from signaling.rooms import RoomDirectory, title_of

_PORTS = {"http": 80, "https": 443}
CACHE_S = 3600
"""How long a site may keep the answer."""


def room_at(url: str, root: str) -> str | None:
    """The name of the room whose page, short link or small player is at a URL of the server at `root`; None if it is another
    server's, or no URL of a room. The scheme may differ, as where a proxy adds TLS."""
    try:
        asked, own = urlsplit(url), urlsplit(root)
        if asked.scheme not in _PORTS or asked.username is not None or _place(asked) != _place(own):
            return None
    except ValueError:
        return None
    if not asked.path.startswith(f"{own.path}/"):
        return None
    parts = asked.path[len(own.path) + 1 :].rstrip("/").split("/")
    match parts:
        case ["r", name] | ["r", name, "embed"] | [name] if name:
            return unquote(name)
        case _:
            return None


def _place(url: SplitResult) -> tuple[str | None, int | None]:
    return url.hostname, url.port or _PORTS.get(url.scheme)


def described(room: Shown, max_width: int = WIDTH, max_height: int = HEIGHT) -> dict[str, Any]:
    """The answer, no larger than the site has place for."""
    width, height = min(WIDTH, max_width), min(HEIGHT, max_height)
    return {
        "version": "1.0",
        "type": "rich",
        "title": room.title,
        "provider_name": "rtcserver",
        "provider_url": f"{room.root}/",
        "cache_age": CACHE_S,
        "thumbnail_url": room.card,
        "thumbnail_width": CARD_WIDTH,
        "thumbnail_height": CARD_HEIGHT,
        "html": frame(room, width, height),
        "width": width,
        "height": height,
    }


class Oembed:
    """The handler."""

    def __init__(self, rooms: RoomDirectory, entrance: Entrance) -> None:
        self._rooms = rooms
        self._entrance = entrance

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/oembed", self.about)]

    async def about(self, request: web.Request) -> web.Response:
        """JSON about the room at ``url``. Raises PeerError: 400, 404 for what is not here, 501 for XML."""
        query = request.query
        if query.get("format", "json") != "json":
            raise PeerError(501, "only_json", "This server answers in JSON only: format=json.")
        if not query.get("url"):
            raise PeerError(400, "no_url", "Say which page it is about: url=… with the address of a room.")
        width, height = _size(query.get("maxwidth", "")), _size(query.get("maxheight", ""))
        root = origin_of(request).root
        name = room_at(query["url"], root) if root else None
        if name is None:
            raise PeerError(404, "not_here", "This address is not one of a room of this server.")
        if name not in self._rooms.names():
            raise PeerError(404, "no_such_room", "There is no room of this name.")
        await self._entrance.check(request, Action.READ, name)
        room = Shown(root, name, title_of(self._rooms, name))
        return as_json(described(room, width or WIDTH, height or HEIGHT))


def _size(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) > 0):
        raise PeerError(400, "bad_size", "maxwidth and maxheight are whole numbers of pixels.")
    return int(text)

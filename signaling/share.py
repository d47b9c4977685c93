"""How a room is handed on: its QR code, its short link, the small player for other sites, and the picture of a pasted link.

None of it is a secret or holds one: who has a room's address gets no more by it than the same address once more.
"""

from __future__ import annotations

import io
from functools import lru_cache
from urllib.parse import quote

from aiohttp import web

from rtcserver.errors import PeerError
from signaling.forwarded import origin_of
from signaling.headers import SELF, framed, security
from signaling.pages import Pages
from signaling.preview import Shown
from signaling.respond import OVER
from signaling.rooms import RoomDirectory, existing

PLAYER = "embed/element.js"
"""The module that defines ``<rtcserver-player>``, below the static folder."""
CARD = "share/card.png"

_FOR_OTHERS = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
"""What pages of all origins may load: a module is fetched with CORS (HTML, section 8.1.4.2)."""


class Share:
    """The handlers. ancestors: the origins whose pages may show the small player in a frame, as a source list."""

    def __init__(self, rooms: RoomDirectory, pages: Pages, ancestors: str = SELF) -> None:
        self._rooms = rooms
        self._pages = pages
        self._framed = framed(security(ancestors))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/r/{room}/qr.svg", self.qr),
            web.get("/r/{room}/embed", self.embed),
            web.get("/player.js", self.player),
            web.get("/card.png", self.card),
            web.get("/{room:[A-Za-z0-9][A-Za-z0-9_-]{0,63}}", self.short),
        ]

    async def qr(self, request: web.Request) -> web.Response:
        """The room's address as a QR code."""
        room = existing(self._rooms, request)
        root = origin_of(request).root
        if not root:
            raise PeerError(400, "no_host", "The request does not say by which name this server is called.")
        return web.Response(
            text=qr_svg(Shown(root, room, room).page),
            content_type="image/svg+xml",
            headers={"Cache-Control": "no-cache"},
        )

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """The small player, for a frame in another page."""
        room = existing(self._rooms, request)
        request[OVER] = self._framed
        return await self._pages.about(request, "embed.html", room)

    async def player(self, request: web.Request) -> web.StreamResponse:
        """The module that other sites load. Its address never changes, so browsers ask each time whether it has."""
        request[OVER] = _FOR_OTHERS
        return await self._pages.piece(request, PLAYER)

    async def card(self, request: web.Request) -> web.StreamResponse:
        """The picture of a pasted link."""
        request[OVER] = _FOR_OTHERS
        return await self._pages.piece(request, CARD)

    async def short(self, request: web.Request) -> web.Response:
        """``/main`` for ``/r/main``, in capitals or not: what a phone's keyboard makes of it when it is typed."""
        said = request.match_info["room"]
        names = self._rooms.names()
        alike = [said] if said in names else [name for name in names if name.lower() == said.lower()]
        if len(alike) != 1:
            raise PeerError(404, "not_found", "There is nothing at this address.")
        to = f"r/{quote(alike[0], safe='')}"
        return web.Response(status=302, headers={"Location": to, "Cache-Control": "no-store"})


@lru_cache(maxsize=64)
def qr_svg(link: str) -> str:
    """A link as a QR code (ISO/IEC 18004) in SVG, with a quiet zone of four modules, dark on light in all colour schemes."""
    import segno  # most servers are never asked for one

    out = io.BytesIO()
    code = segno.make(link, error="m", micro=False)
    code.save(
        out,
        kind="svg",
        border=4,
        dark="#000",
        light="#fff",
        omitsize=True,
        xmldecl=False,
        svgclass=None,
        lineclass=None,
    )
    return out.getvalue().decode()

"""Pages, static files, and the JSON about rooms and health.

Every address that the server gives is relative to the one that was asked for: a proxy may publish the server under a
prefix that it cuts off, which the server never sees.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from rtcserver.access.door import Action
from rtcserver.errors import PeerError
from rtcserver.peer.base import PeerBackend, public_handle
from signaling.built import Built, Piece, build, kind_of
from signaling.entrance import Entrance
from signaling.forwarded import origin_of
from signaling.headers import takes_gzip
from signaling.ice_servers import Told
from signaling.limits import Limits
from signaling.linker import LinkError
from signaling.manifest import KIND, manifest
from signaling.preview import Shown, head
from signaling.respond import as_json
from signaling.rooms import RoomDirectory, existing, for_listeners, title_of

log = logging.getLogger(__name__)

ASK_FOR_SERVERS = '<meta name="rtcserver-ice-servers" content="ask">'


_TOLD_TO_ASK = ("<title>", f"{ASK_FOR_SERVERS}\n    <title>")
"""A browser has to know before its first offer whether there are STUN or TURN servers to ask for
(`static/connection/ice-servers.js`). Where there are none, no page asks for any, and no join waits."""

_JOINING = ("room.html", "check.html", "embed.html")
"""The pages that open sessions."""

KEEP = "public, max-age=31536000, immutable"
"""What is at an address with a version never changes: a browser keeps it for a year and does not ask again (RFC 8246)."""


UNTITLED = "<title>rtcserver</title>"
"""In the pages of a room, where its title goes, with what others show of it."""
PAGES_KEPT = 64
"""Pages with a room's title that are kept compressed: one for each room, and name that this server is called by."""


class _BoundedFile(web.FileResponse):
    """A file that a client must take within `send_s`; aiohttp alone would wait for ever."""

    def __init__(self, send_s: float, path: Path, headers: dict[str, str]) -> None:
        super().__init__(path, headers=headers)
        self._send_s = send_s

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            async with asyncio.timeout(self._send_s):
                return await super().prepare(request)
        except TimeoutError:
            raise _broken_off(request) from None


class _BoundedBody(web.Response):
    """Bytes that a client must take within `send_s`."""

    def __init__(self, send_s: float, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(body=body, headers=headers)
        self._send_s = send_s

    async def write_eof(self, data: bytes = b"") -> None:
        request = self._req
        try:
            async with asyncio.timeout(self._send_s):
                await super().write_eof(data)
        except TimeoutError:
            if request is None:
                raise
            raise _broken_off(request) from None


def _broken_off(request: web.BaseRequest) -> ConnectionResetError:
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("the client does not read")


class Pages:
    """The handlers for everything that is not WHEP."""

    def __init__(
        self,
        rooms: RoomDirectory,
        backend: PeerBackend,
        entrance: Entrance,
        limits: Limits,
        static: Path,
        authority: Path | None = None,
        ice_servers: Told | None = None,
        *,
        built: bool = True,
    ) -> None:
        """built: deliver the page as `signaling.built` makes it at the first request for it; else file by file, as a
        developer wants it."""
        self._built: asyncio.Future[Built | None] | None = None
        self._build = built
        self._made: dict[tuple[str, tuple[tuple[str, str], ...]], Piece] = {}
        self._ice_servers = ice_servers if ice_servers is not None else Told()
        self._rooms = rooms
        self._backend = backend
        self._entrance = entrance
        self._limits = limits
        self._static = static.resolve()
        self._authority = authority

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.index),
            web.options("/", self.options),
            web.get("/r/{room}", self.room),
            web.get("/r/{room}/", self.room_with_slash),
            web.get("/check", self.check),
            web.get("/app.webmanifest", self.app),
            web.get("/r/{room}/app.webmanifest", self.room_app),
            web.get("/api/rooms", self.api_rooms),
            web.get("/api/rooms/{room}", self.api_room),
            web.get("/healthz", self.healthz),
            web.get("/favicon.ico", self.favicon),
            web.get("/trust", self.trust),
            web.get("/ca.pem", self.authority),
            web.get("/static/@{version:[0-9a-f]+}/{path:.+}", self.versioned),
            web.get("/static/{path:.+}", self.static_file),
        ]

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The list of rooms, or straight to the only one."""
        await self._entrance.check(request, Action.READ)
        names = self._rooms.names()
        if len(names) == 1:
            return web.Response(
                status=302,
                headers={"Location": f"r/{quote(names[0], safe='')}", "Cache-Control": "no-store"},
            )
        return await self._page(request, "index.html")

    async def options(self, request: web.Request) -> web.Response:
        """What HAProxy asks by default to find out whether a server is well."""
        return web.Response(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})

    async def room(self, request: web.Request) -> web.StreamResponse:
        """The page of a room. It holds no more of it than its title: no browser can show a link's token before it has it."""
        return await self.about(request, "room.html", existing(self._rooms, request))

    async def about(self, request: web.Request, name: str, room: str) -> web.StreamResponse:
        """One of the HTML files, with what it says of a room to those who show its address somewhere else."""
        root = origin_of(request).root
        if not root:
            return await self._page(request, name)
        return await self._page(
            request, name, (UNTITLED, head(Shown(root, room, self._title(request, room))))
        )

    def _title(self, request: web.Request, room: str) -> str:
        """A room's title for those who may read it, and its name, which they have in the address, for others."""
        try:
            known = self._entrance.check_now(request, Action.READ, room) is not None
        except PeerError:
            known = False
        return title_of(self._rooms, room) if known else room

    async def piece(self, request: web.Request, path: str) -> web.StreamResponse:
        """A file at an address without a version, which is asked for again at each use."""
        built = await self._whole()
        if built is not None and path in built.pieces:
            return self._hand_out(request, built.pieces[path], "no-cache")
        return self._send(path)

    async def check(self, request: web.Request) -> web.StreamResponse:
        """The page that tests a browser and its way to here. It opens sessions as a room's page does, by the same doors."""
        return await self._page(request, "check.html")

    async def _page(self, request: web.Request, name: str, *changes: tuple[str, str]) -> web.StreamResponse:
        """One of the HTML files. It is asked for at each visit, since it names the version of all else.

        changes: texts in it, each with what is to stand in its place.
        """
        built = await self._whole()
        if name in _JOINING and self._ice_servers:
            changes = (_TOLD_TO_ASK, *changes)
        if built is not None and name in built.pages:
            piece = self._changed(built, name, changes) if changes else built.pages[name]
            return self._hand_out(request, piece, "no-cache")
        if changes:
            text = self._inside(name).read_text(encoding="utf-8")
            for change in changes:
                text = text.replace(*change, 1)
            return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-cache"})
        return self._send(name)

    def _changed(self, built: Built, name: str, changes: tuple[tuple[str, str], ...]) -> Piece:
        key = (name, changes)
        piece = self._made.pop(key, None) or built.changed(name, changes)
        # The one that was wanted last is the last; hosts that nobody asks by again make place.
        self._made[key] = piece
        if len(self._made) > PAGES_KEPT:
            del self._made[next(iter(self._made))]
        return piece

    async def _whole(self) -> Built | None:
        """The page as it is delivered; None where it is delivered file by file."""
        if not self._build:
            return None
        if self._built is None:
            self._built = asyncio.ensure_future(asyncio.to_thread(self._make))
        building = self._built
        try:
            # Whoever asked first may leave before it is made; the others wait for the same.
            return await asyncio.shield(building)
        except Exception:
            # A machine that has no thread or no memory left may have some at the next request.
            if self._built is building:
                self._built = None
            raise

    def _make(self) -> Built | None:
        try:
            return build(self._static)
        except (LinkError, OSError, UnicodeDecodeError) as error:
            log.error("the page is delivered file by file, and slowly: %s", error)
            return None

    async def room_with_slash(self, request: web.Request) -> web.StreamResponse:
        """A slash at the end is a slip; the page's relative addresses need it away."""
        return web.Response(
            status=308, headers={"Location": f"../{quote(request.match_info['room'], safe='')}"}
        )

    async def app(self, request: web.Request) -> web.Response:
        """The list of rooms as an app."""
        return await self._app("rtcserver", "./", "./")

    async def room_app(self, request: web.Request) -> web.Response:
        """A room as an app. A browser shows no token when it asks: a room that is not open to all tells only its name."""
        name = existing(self._rooms, request)
        title = name
        try:
            await self._entrance.check(request, Action.READ, name)
            title = str(self._rooms.describe(name).get("title") or name)
        except PeerError:
            pass
        return await self._app(title, f"../{quote(name, safe='')}", "../../")

    async def _app(self, title: str, start: str, root: str) -> web.Response:
        built = await self._whole()
        body = manifest(title, start, root, built.version if built else None)
        return web.Response(body=body, content_type=KIND, headers={"Cache-Control": "no-cache"})

    async def api_rooms(self, request: web.Request) -> web.Response:
        await self._entrance.check(request, Action.READ)
        return as_json({"rooms": [self._describe(request, name, "../") for name in self._rooms.names()]})

    async def api_room(self, request: web.Request) -> web.Response:
        """One room, with its sessions. They go by a public handle: the id is the right to end one. What people listen with
        is told to owners."""
        name = existing(self._rooms, request)
        await self._entrance.check(request, Action.READ, name)
        await self._backend.refresh(name)
        sessions, owner = [], self._entrance.owns(request, name)
        for session in self._backend.sessions(name):
            info = session.info()
            if not owner:
                info.details.pop("user_agent", None)
            sessions.append(
                {
                    "id": public_handle(info.id),
                    "state": info.state,
                    "since_s": round(info.since_s, 3),
                    "counters": info.counters,
                    **info.details,
                }
            )
        paths = Counter(str(session["path"]) for session in sessions if "path" in session)
        return as_json({**self._describe(request, name, "../../"), "paths": paths, "sessions": sessions})

    def _describe(self, request: web.Request, name: str, root: str) -> dict[str, Any]:
        """A room's JSON with the address of its page. root: the server's, relative to the request's address."""
        owner = self._entrance.owns(request, name)
        described = self._rooms.describe(name)
        told = described if owner else for_listeners(described)
        return {"url": f"{root}r/{quote(name, safe='')}", "owner": owner, **told}

    async def healthz(self, request: web.Request) -> web.Response:
        """200 as long as the process serves; the body says how well."""
        body: dict[str, Any] = {"status": "ok", "rooms": {}, "processes": {}, "backend": {}}
        try:
            body.update(self._rooms.health())
            body["backend"] = self._backend.health()
        except Exception as error:
            body["status"] = "degraded"
            body["error"] = f"{type(error).__name__}: {error}"
        if body["backend"].get("status") == "degraded":
            body["status"] = "degraded"
        return as_json(body)

    async def trust(self, request: web.Request) -> web.StreamResponse:
        """How to trust the local authority."""
        self._local_authority()
        return await self._page(request, "trust.html")

    async def authority(self, request: web.Request) -> web.StreamResponse:
        """The local authority's certificate."""
        return web.Response(
            body=self._local_authority().read_bytes(), content_type="application/x-x509-ca-cert"
        )

    def _local_authority(self) -> Path:
        if self._authority is None:
            raise PeerError(404, "no_authority", "This server has no certificate authority of its own.")
        return self._authority

    async def favicon(self, request: web.Request) -> web.StreamResponse:
        for name in ("favicon.ico", "favicon.svg"):
            if (self._static / name).is_file():
                return self._send(name)
        return web.Response(status=204)

    async def static_file(self, request: web.Request) -> web.StreamResponse:
        return self._send(request.match_info["path"])

    async def versioned(self, request: web.Request) -> web.StreamResponse:
        """What a page of this version loads. A page of another one, which a browser or a proxy has kept or which was loaded
        before an update, gets a script that loads it again."""
        path = request.match_info["path"]
        built = await self._whole()
        if built is not None:
            known = request.match_info["version"] == built.version
            if known and path in built.pieces:
                return self._hand_out(request, built.pieces[path], KEEP)
            if not known and path in built.entries and built.outdated is not None:
                return self._hand_out(request, built.outdated, "no-store")
        raise PeerError(404, "not_found", "There is nothing at this address.")

    def _hand_out(self, request: web.Request, piece: Piece, caching: str) -> web.StreamResponse:
        packed = piece.coded and takes_gzip(request.headers.get("Accept-Encoding", ""))
        # Each form has a tag of its own (RFC 9110, section 8.8.3.3).
        tag = f"{piece.tag}-gzip" if packed else piece.tag
        headers = {"Cache-Control": caching, "ETag": f'"{tag}"'}
        if piece.coded:
            headers["Vary"] = "Accept-Encoding"
        asked = request.if_none_match or ()
        if any(one.value in (tag, "*") for one in asked):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = piece.kind
        if packed:
            headers["Content-Encoding"] = "gzip"
        return _BoundedBody(self._limits.send_s, piece.body if packed else piece.identity(), headers)

    def _send(self, relative: str) -> web.StreamResponse:
        """A file below the static folder; ETag and Last-Modified let a browser keep it and ask."""
        path = self._inside(relative)
        kind = kind_of(path.name)
        return _BoundedFile(self._limits.send_s, path, {"Content-Type": kind, "Cache-Control": "no-cache"})

    def _inside(self, relative: str) -> Path:
        try:
            path = (self._static / relative).resolve()
            hidden = any(part.startswith(".") for part in Path(relative).parts)
            if not hidden and path.is_relative_to(self._static) and path.is_file():
                return path
        except (OSError, ValueError):
            pass  # names that no file system takes
        raise PeerError(404, "not_found", "There is nothing at this address.")

"""WHEP: ``POST /r/{room}/whep`` takes an offer, its session URL takes PATCH and DELETE.

draft-ietf-wish-whep, with RFC 9725 (WHIP) for what both share. ``Link`` headers tell of STUN and TURN servers where
there are any (`signaling.ice_servers`); there are no others, as players read each of them as an ICE server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiohttp import web
from multidict import CIMultiDict

from rtcserver.access.admission import Admission
from rtcserver.access.door import Action, Grant
from rtcserver.access.removals import Removals
from rtcserver.clock import NS, monotonic_ns, wall_ns
from rtcserver.errors import PeerError
from rtcserver.peer.base import (
    MODES,
    QUALITIES,
    Mode,
    PeerBackend,
    PeerRequest,
    PeerSession,
    Quality,
    new_session_id,
    public_handle,
)
from signaling.body import read_text
from signaling.entrance import Entrance
from signaling.forwarded import agent_of, local_address, origin_of
from signaling.headers import SDP, SDPFRAG, if_match, preflight
from signaling.ice_servers import Told
from signaling.limits import Limits
from signaling.rooms import RoomDirectory, existing

MODE_HEADER = "Rtcserver-Mode"
"""Asks for Studio; see `rtcserver.peer.base.PeerRequest`."""
QUALITY_HEADER = "Rtcserver-Quality"
"""Says with which quality Studio begins."""
INSTEAD_HEADER = "Rtcserver-Instead"
"""Names the id of the client's own session that this one is to take the place of; see `rtcserver.peer.switching`."""

T = TypeVar("T")


class Whep:
    """The handlers. Owns the tasks of sessions that are being opened or closed."""

    def __init__(
        self,
        rooms: RoomDirectory,
        backend: PeerBackend,
        entrance: Entrance,
        admission: Admission,
        limits: Limits,
        ice_servers: Told,
        removals: Removals | None = None,
    ) -> None:
        self._ice_servers = ice_servers
        self._removals = removals or Removals()
        self._rooms = rooms
        self._backend = backend
        self._entrance = entrance
        self._admission = admission
        self._limits = limits
        self._opening = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    def routes(self) -> list[web.RouteDef]:
        endpoint, session = "/r/{room}/whep", "/r/{room}/whep/{session}"
        return [
            web.post(endpoint, self.post),
            web.options(endpoint, self.options_endpoint),
            # A slash at the end is a slip that no player can be told of: few follow a redirect of a POST.
            web.post(f"{endpoint}/", self.post),
            web.options(f"{endpoint}/", self.options_endpoint),
            web.patch(session, self.patch),
            web.delete(session, self.delete),
            web.options(session, self.options_session),
        ]

    async def options_endpoint(self, request: web.Request) -> web.Response:
        """CORS preflight, and what players ask for first. The room need not exist, so that a page can
        read the 404 of its POST. Who may listen is told of STUN and TURN servers; nobody else is refused here."""
        headers = CIMultiDict({"Accept-Post": SDP, **preflight("POST, OPTIONS")})
        # A preflight shows no credentials, and no script sees its answer (Fetch standard, section 4.8).
        asks = "Access-Control-Request-Method" not in request.headers
        if asks and self._ice_servers and await self._may_listen(request):
            headers["Cache-Control"] = "no-store"
            self._tell_servers(headers)
        return web.Response(status=204, headers=headers)

    async def _may_listen(self, request: web.Request) -> bool:
        try:
            await self._entrance.check(request, Action.LISTEN, existing(self._rooms, request))
        except PeerError:
            return False
        return True

    def _tell_servers(self, headers: CIMultiDict[str]) -> None:
        for link in self._ice_servers.servers.links(wall_ns() / NS):
            headers.add("Link", link)

    async def options_session(self, request: web.Request) -> web.Response:
        return web.Response(
            status=204, headers={"Accept-Patch": SDPFRAG, **preflight("DELETE, PATCH, OPTIONS")}
        )

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer an offer with 201. The session ends again if its client does not get to see the answer."""
        # Before the door: whoever guesses tokens is slowed down, too.
        self._admission.offer(origin_of(request).address, monotonic_ns())
        room = existing(self._rooms, request)
        session_id = new_session_id()
        grant = await self._entrance.check(request, Action.LISTEN, room, public_handle(session_id))
        self._removals.check(room, origin_of(request).address, grant, agent_of(request), monotonic_ns())
        grant = self._entrance.marked(grant, request, room)
        if not request.can_read_body:
            raise PeerError(
                400,
                "malformed_sdp",
                f"The request has no body: it must be the player's SDP offer, with Content-Type: {SDP}.",
            )
        offer = await read_text(request, SDP, self._limits)
        session = await self._open(room, offer, _peer_request(request, session_id, grant))
        headers = CIMultiDict(
            {
                # Relative, as a proxy may publish the server under a prefix: the endpoint's last part, then the session.
                "Location": f"{request.path.rpartition('/')[2]}/{session.id}".lstrip("/"),
                "ETag": f'"{session.etag}"',
                "Accept-Patch": SDPFRAG,
                "Cache-Control": "no-store",
                **session.headers,
            }
        )
        self._tell_servers(headers)
        response = web.Response(text=session.answer, status=201, content_type=SDP, headers=headers)
        response.charset = None
        delivered = False
        try:
            await response.prepare(request)
            await response.write_eof()
            delivered = request.transport is not None and not request.transport.is_closing()
        finally:
            if not delivered:
                self._spawn(session.close())
        return response

    async def patch(self, request: web.Request) -> web.Response:
        """Trickled candidates (204), or an ICE restart where the backend can (200)."""
        session = self._find(request)
        fragment = await self._fragment(request, session)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                answer = await session.patch(fragment)
        except TimeoutError:
            raise _too_slow() from None
        headers = {"ETag": f'"{session.etag}"', "Cache-Control": "no-store"}
        if answer is None:
            return web.Response(status=204, headers=headers)
        response = web.Response(text=answer, content_type=SDPFRAG, headers=headers)
        response.charset = None
        return response

    async def delete(self, request: web.Request) -> web.Response:
        """End the session: 200, and 404 from then on. One that has just ended by itself is taken for ended by this."""
        if not self._backend.has_just_ended(request.match_info["session"], request.match_info["room"]):
            closing = self._spawn(self._find(request).close())
            done, _ = await asyncio.wait({closing}, timeout=self._limits.close_s)
            if done:
                closing.result()
        return web.Response(status=200, headers={"Cache-Control": "no-store"})

    async def close(self) -> None:
        """Wait a moment for what still runs, then cancel it."""
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=1.0)
            for task in pending:
                task.cancel()

    def _find(self, request: web.Request) -> PeerSession:
        session = self._backend.find(request.match_info["session"])
        if session is None or session.room != request.match_info["room"]:
            raise PeerError(404, "no_such_session", "There is no session at this address, or it has ended.")
        return session

    async def _fragment(self, request: web.Request, session: PeerSession) -> str:
        text = await read_text(request, SDPFRAG, self._limits)
        if not if_match(request.headers.get("If-Match"), session.etag):
            raise PeerError(
                412, "etag_mismatch", "If-Match does not name the session's present ICE generation."
            )
        return text

    async def _open(self, room: str, offer: str, peer: PeerRequest) -> PeerSession:
        """Open a session within the limits; if the caller is cancelled or it takes too long, none stays."""
        self._admission.opening(self._opening)
        self._opening += 1
        opening = self._spawn(self._backend.open(room, offer, peer))
        opening.add_done_callback(self._on_opened)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return await asyncio.shield(opening)
        except BaseException as error:
            if not opening.done():
                opening.cancel()
            opening.add_done_callback(self._close_orphan)
            if isinstance(error, TimeoutError):
                raise _too_slow() from error
            raise

    def _on_opened(self, opening: asyncio.Task[PeerSession]) -> None:
        self._opening -= 1

    def _close_orphan(self, opening: asyncio.Task[PeerSession]) -> None:
        """Whoever asked for this session is gone; it may have been made all the same."""
        if not opening.cancelled() and opening.exception() is None:
            self._spawn(opening.result().close())

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _too_slow() -> PeerError:
    return PeerError(503, "too_slow", "The server could not answer in time.", retry_after_s=2)


def _peer_request(request: web.Request, session_id: str, grant: Grant) -> PeerRequest:
    origin = origin_of(request)
    return PeerRequest(
        remote_address=origin.address,
        http_host=origin.host,
        user_agent=agent_of(request),
        doubtful=origin.doubtful,
        session_id=session_id,
        grant=grant,
        local_address=local_address(request),
        mode=_mode(request.headers.get(MODE_HEADER, "listen")),
        quality=_quality(request.headers.get(QUALITY_HEADER, "exact")),
        instead=request.headers.get(INSTEAD_HEADER, ""),
    )


def _mode(asked: str) -> Mode:
    for mode in MODES:
        if asked == mode:
            return mode
    raise PeerError(
        400, "unknown_mode", f"{MODE_HEADER} names no mode; it is one of {', '.join(MODES)}, or left out."
    )


def _quality(asked: str) -> Quality:
    for quality in QUALITIES:
        if asked == quality:
            return quality
    raise PeerError(
        400, "unknown_quality", f"{QUALITY_HEADER} is one of {', '.join(QUALITIES)}, or left out."
    )

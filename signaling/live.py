"""A room's sound for players that know no WebRTC: ``/r/{room}/live.opus``, and ``live.m3u`` that points there.

The stream is Ogg Opus (RFC 7845) in an answer without an end. Players show no token: a network's rule lets them in, or Basic
authentication, as in ``http://user:password@host/r/main/live.opus``.
"""

from __future__ import annotations

import asyncio
from typing import Protocol
from urllib.parse import quote

from aiohttp import HttpVersion11, web

from rtcserver.access.admission import Admission
from rtcserver.access.door import Action, Grant
from rtcserver.access.removals import Removals
from rtcserver.clock import monotonic_ns
from rtcserver.errors import PeerError
from rtcserver.ogg.link import plain
from rtcserver.ogg.reader import STOPPED, Reader
from rtcserver.peer.base import new_session_id, public_handle
from signaling.entrance import Entrance
from signaling.forwarded import agent_of, origin_of
from signaling.limits import Limits
from signaling.rooms import RoomDirectory, existing

OPUS = "audio/ogg; codecs=opus"
_HEADERS = {
    "Cache-Control": "no-store",
    # Whatever part is asked for, there is only what comes from now on (RFC 9110, sections 14.2 and 14.3).
    "Accept-Ranges": "none",
    # nginx would collect the sound in a buffer first.
    "X-Accel-Buffering": "no",
}


class Streams(Protocol):
    """`rtcserver.ogg.live.LiveStreams`."""

    def open(
        self, room: str, session_id: str, grant: Grant, address: str, user_agent: str
    ) -> tuple[Reader, bytes]:
        """One more reader, and what it is sent first. Raises PeerError."""

    def begin(self, reader: Reader, transport: asyncio.Transport, chunked: bool, head: bytes) -> None:
        """Let the reader have what comes, on this connection."""


class Live:
    """The handlers. streams: None where the configuration has turned them off."""

    def __init__(
        self,
        rooms: RoomDirectory,
        entrance: Entrance,
        admission: Admission,
        limits: Limits,
        streams: Streams | None,
        removals: Removals | None = None,
    ) -> None:
        self._rooms = rooms
        self._entrance = entrance
        self._admission = admission
        self._limits = limits
        self._streams = streams
        self._removals = removals or Removals()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/r/{room}/live.opus", self.stream),
            web.get("/r/{room}/live.m3u", self.playlist),
        ]

    async def playlist(self, request: web.Request) -> web.Response:
        """The stream's address as a file that players open. It holds no password: players ask for it."""
        room = existing(self._rooms, request)
        self._there()
        await self._entrance.check(request, Action.LISTEN, room)
        title = plain(str(self._rooms.describe(room)["title"]))
        root = origin_of(request).root
        # Who does not say how the server is called has an address relative to the playlist's own.
        url = f"{root}/r/{quote(room, safe='')}/live.opus" if root else "live.opus"
        return web.Response(
            text=f"#EXTM3U\n#EXTINF:-1,{title}\n{url}\n",
            content_type="audio/x-mpegurl",
            charset="utf-8",
            headers={
                "Cache-Control": "no-store",
                "Content-Disposition": f'inline; filename="{quote(room, safe="")}.m3u"',
            },
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The sound from now on, until the client leaves, the server stops, or the client is too slow for it."""
        origin = origin_of(request)
        # As an offer of WHEP is counted: whoever guesses passwords is slowed down, too.
        self._admission.offer(origin.address, monotonic_ns())
        room = existing(self._rooms, request)
        streams = self._there()
        session_id = new_session_id()
        grant = await self._entrance.check(request, Action.LISTEN, room, public_handle(session_id))
        agent = agent_of(request)
        self._removals.check(room, origin.address, grant, agent, monotonic_ns())
        grant = self._entrance.marked(grant, request, room)
        # Icecast compares the whole text with its own ones, and takes what it does not find for no Ogg.
        kind = "audio/ogg" if agent.startswith("Icecast") else OPUS
        response = web.StreamResponse(headers={"Content-Type": kind, **_HEADERS})
        response.force_close()
        if request.method == "HEAD":
            return response
        reader, head = streams.open(room, session_id, grant, origin.address, agent)
        try:
            await self._send(request, response, reader, head, streams)
        finally:
            await reader.close()
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        reader: Reader,
        head: bytes,
        streams: Streams,
    ) -> None:
        send_s = self._limits.send_s
        transport = request.transport
        if transport is None:
            return
        try:
            async with asyncio.timeout(send_s):
                await response.prepare(request)
                await response.write(head)
            # From here on pages are written on the connection itself, the same bytes for all readers.
            streams.begin(reader, transport, request.version >= HttpVersion11, head)
            # When the client leaves, what is cancelled is this handler.
            if await asyncio.shield(reader.over) == STOPPED:
                async with asyncio.timeout(send_s):
                    await response.write_eof()
                return
        except TimeoutError:
            pass  # the client does not read
        # A whole end of the answer would say that there is nothing more to come.
        transport.abort()

    def _there(self) -> Streams:
        if self._streams is None:
            raise PeerError(404, "no_live", "This server has no stream for other players (live = false).")
        return self._streams

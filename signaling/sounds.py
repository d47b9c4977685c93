"""The sounds of a room's instrument, and the MIDI files that performers hand it."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web

from rtcserver.access.admission import Admission
from rtcserver.access.door import Action
from rtcserver.clock import monotonic_ns
from rtcserver.errors import PeerError
from signaling.body import read_bytes
from signaling.entrance import Entrance
from signaling.forwarded import origin_of
from signaling.limits import Limits
from signaling.respond import as_json
from signaling.rooms import RoomDirectory, existing

MIDI_TYPES = ("audio/midi", "audio/x-midi", "audio/mid", "application/octet-stream")


class Instruments(Protocol):
    """The rooms' instruments as performers see them."""

    def sounds(self, room: str) -> dict[str, Any]:
        """What can be chosen, and how to set it up. Raises PeerError(404) if it takes no MIDI."""

    def demo(self, room: str) -> dict[str, Any]:
        """The notes of the demo piece: `rtcserver.capture.demo.notes`. Raises PeerError(404) if it plays none."""

    async def upload(self, room: str, title: str, data: bytes) -> dict[str, Any]:
        """Take a MIDI file: ``{"file", "name", "duration_s"}``. Raises PeerError that says what is wrong."""


class _Playable:
    """What both have: the rooms, the door, and the instruments, None where nobody can play them."""

    def __init__(self, rooms: RoomDirectory, entrance: Entrance, instruments: Instruments | None) -> None:
        self._rooms = rooms
        self._entrance = entrance
        self._instruments = instruments

    async def _let_in(self, request: web.Request, action: Action) -> tuple[str, Instruments]:
        room = existing(self._rooms, request)
        if self._instruments is None:
            raise PeerError(404, "no_midi", "Nobody can play with transport = aiortc.")
        await self._entrance.check(request, action, room)
        return room, self._instruments


class Sounds(_Playable):
    """``GET /api/rooms/{room}/sounds``: the instrument's profile; ``…/demo``: the notes that it plays by itself."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/rooms/{room}/sounds", self.sounds),
            web.get("/api/rooms/{room}/demo", self.demo),
        ]

    async def sounds(self, request: web.Request) -> web.Response:
        """What can be chosen on the instrument."""
        room, instruments = await self._let_in(request, Action.READ)
        return as_json(instruments.sounds(room))

    async def demo(self, request: web.Request) -> web.Response:
        """What the demo piece's notes are, for pages that show them as they are heard."""
        room, instruments = await self._let_in(request, Action.READ)
        return as_json(instruments.demo(room))


class Files(_Playable):
    """``POST /api/rooms/{room}/files``: a performer's MIDI file."""

    def __init__(
        self,
        rooms: RoomDirectory,
        entrance: Entrance,
        instruments: Instruments | None,
        admission: Admission,
        limits: Limits,
    ) -> None:
        super().__init__(rooms, entrance, instruments)
        self._admission = admission
        self._limits = limits

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/rooms/{room}/files", self.upload)]

    async def upload(self, request: web.Request) -> web.Response:
        """Take the file. Whether the sender may is asked before the body is read."""
        self._admission.upload(origin_of(request).address, monotonic_ns())
        room, instruments = await self._let_in(request, Action.PERFORM)
        data = await read_bytes(request, MIDI_TYPES, self._limits.max_upload_bytes, self._limits)
        title = "".join(c for c in unquote(request.headers.get("X-File-Name", "")) if c.isprintable())[:100]
        return as_json(await instruments.upload(room, title, data), status=201)

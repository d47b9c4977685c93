"""HTTP beside the DataChannels: the sounds of an instrument, performers' MIDI files, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web

from rtcserver.errors import PeerError
from signaling.body import read_bytes
from signaling.limits import Limits
from signaling.respond import as_json
from signaling.rooms import RoomDirectory

MAX_MIDI_FILE = 1024 * 1024
MIDI_TYPES = ("audio/midi", "audio/x-midi", "audio/mid", "application/octet-stream")


class Instruments(Protocol):
    """The rooms' instruments as performers see them."""

    def sounds(self, room: str) -> dict[str, Any]:
        """What can be chosen, and how to set it up. Raises PeerError(404) if it takes no MIDI."""

    def authorise(self, room: str, token: str) -> None:
        """Raises PeerError(403) unless the token is a performer's of this room."""

    async def upload(self, room: str, title: str, data: bytes) -> dict[str, Any]:
        """Take a MIDI file: ``{"file", "name", "duration_s"}``, and ``"remark"``. Raises PeerError."""


class Play:
    """The handlers. instruments and metrics are None where the transport has none."""

    def __init__(
        self,
        rooms: RoomDirectory,
        limits: Limits,
        instruments: Instruments | None,
        metrics: Callable[[], bytes] | None,
    ) -> None:
        self._rooms = rooms
        self._limits = limits
        self._instruments = instruments
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/rooms/{room}/sounds", self.sounds),
            web.post("/api/rooms/{room}/files", self.files),
            web.get("/metrics", self.metrics),
        ]

    async def sounds(self, request: web.Request) -> web.Response:
        """The instrument's profile."""
        room, instruments = self._of(request)
        return as_json(instruments.sounds(room))

    async def files(self, request: web.Request) -> web.Response:
        """A performer's MIDI file. Who may is asked before the body is read."""
        room, instruments = self._of(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise PeerError(401, "no_token", "Uploading needs the token of the performer link.")
        instruments.authorise(room, token)
        data = await read_bytes(request, MIDI_TYPES, MAX_MIDI_FILE, self._limits)
        title = "".join(c for c in unquote(request.headers.get("X-File-Name", "")) if c.isprintable())[:100]
        return as_json(await instruments.upload(room, title, data), status=201)

    async def metrics(self, request: web.Request) -> web.Response:
        """For Prometheus."""
        if self._metrics is None:
            raise PeerError(404, "no_metrics", "This transport exports no metrics.")
        return web.Response(
            body=self._metrics(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store"},
        )

    def _of(self, request: web.Request) -> tuple[str, Instruments]:
        room = request.match_info["room"]
        if room not in self._rooms.names():
            raise PeerError(404, "no_such_room", "There is no room of this name.")
        if self._instruments is None:
            raise PeerError(404, "no_midi", "Nobody can play with transport = aiortc.")
        return room, self._instruments

"""All who listen: the sessions of WebRTC, and the players that read a room's Ogg stream.

To signaling they are one `rtcserver.peer.base.PeerBackend`: both are listed, counted, and ended by the same hands.
"""

from __future__ import annotations

from collections.abc import Mapping

from rtcserver.access.admission import Admission
from rtcserver.clock import NS
from rtcserver.config.model import ServerConfig
from rtcserver.ogg.live import LiveStreams
from rtcserver.ogg.stream import RoomStream
from rtcserver.peer.base import PeerBackend, PeerRequest, PeerSession
from rtcserver.room.directory import Room, Rooms
from rtcserver.server.listening import Listening

LIVE = "Live"
"""The title of what nobody has a better name for."""


class Listeners:
    """A `PeerBackend` with the players of `streams` among its sessions. It is started and closed by its owner."""

    def __init__(self, backend: PeerBackend, streams: LiveStreams | None) -> None:
        self._backend = backend
        self._streams = streams
        self.beside = backend.beside

    async def start(self) -> None:
        await self._backend.start()

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        return await self._backend.open(room, offer, request)

    def sessions(self, room: str | None = None) -> list[PeerSession]:
        players = self._streams.readers(room) if self._streams is not None else []
        return [*self._backend.sessions(room), *players]

    def find(self, session_id: str) -> PeerSession | None:
        return self._backend.find(session_id)

    async def refresh(self, room: str) -> None:
        await self._backend.refresh(room)

    def has_just_ended(self, session_id: str, room: str) -> bool:
        return self._backend.has_just_ended(session_id, room)

    def health(self) -> dict[str, object]:
        players = len(self._streams.readers()) if self._streams is not None else 0
        return {**self._backend.health(), "players": players}

    async def close(self) -> None:
        await self._backend.close()


def live_streams(
    config: ServerConfig, rooms: Rooms, listening: Listening, admission: Admission
) -> LiveStreams | None:
    """The rooms' Ogg streams, whose players take places of listeners; None if the configuration has none."""
    if not config.live:
        return None
    backend = listening.backend

    def present(room: str | None) -> int:
        return len(backend.sessions(room)) + len(streams.readers(room))

    streams = LiveStreams(
        {room.name: _stream(room, listening) for room in rooms.all()},
        admission,
        present,
        round(config.live_backlog_s * NS),
    )
    backend.beside = lambda room: len(streams.readers(room))
    return streams


def _stream(room: Room, listening: Listening) -> RoomStream:
    def comments() -> Mapping[str, str]:
        return {"TITLE": listening.plays(room.name) or LIVE, "ARTIST": room.title}

    return RoomStream(room.instrument, room.config.instrument.frame_samples, comments)

"""All rooms' Ogg streams: who may join one more, who listens, what is counted. Loop-bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from rtcserver.access.address import client_of
from rtcserver.access.admission import Admission
from rtcserver.access.door import Grant
from rtcserver.errors import PeerError
from rtcserver.logs import about
from rtcserver.ogg.reader import SLOW, Reader
from rtcserver.ogg.stream import RoomStream, log
from rtcserver.peer.base import public_handle


class LiveStreams:
    """The rooms' streams by name.

    admission: says whether there is room for one more. present: how many listeners of every kind there are in a room, or
    in all (None). backlog_ns: see `Reader`.
    """

    def __init__(
        self,
        rooms: Mapping[str, RoomStream],
        admission: Admission,
        present: Callable[[str | None], int],
        backlog_ns: int,
    ) -> None:
        self._rooms = rooms
        self._admission = admission
        self._present = present
        self._backlog_ns = backlog_ns
        self._closed = False

    def open(
        self, room: str, session_id: str, grant: Grant, address: str, user_agent: str
    ) -> tuple[Reader, bytes]:
        """One more reader, and the header pages that it is to have first. Raises PeerError if there is no place.

        It gets sound from `begin` on, and ends by `Reader.end`.
        """
        if self._closed:
            # Players come back the moment their stream has ended, before the port is closed.
            raise PeerError(503, "stopping", "This server is stopping.")
        client = client_of(address)
        there = sum(client_of(reader.address) == client for reader in self.readers())
        self._admission.listener(self._present(None), self._present(room))
        self._admission.live(there, address)
        reader = Reader(
            session_id,
            room,
            grant,
            address=address,
            user_agent=user_agent,
            backlog_ns=self._backlog_ns,
            on_end=self._ended,
        )
        return reader, self._rooms[room].add(reader)

    def begin(self, reader: Reader, transport: asyncio.Transport, chunked: bool, head: bytes) -> None:
        """Let a reader that has its header pages have the rest on this connection."""
        self._rooms[reader.room].begin(reader, transport, chunked, head)

    def readers(self, room: str | None = None) -> list[Reader]:
        """Those who read a room, or any."""
        rooms = self._rooms.values() if room is None else (self._rooms[room],)
        return [reader for stream in rooms for reader in stream.readers]

    def audience(self) -> dict[tuple[str, str], int]:
        """How many play, by room and ``live``: a mode for metrics."""
        return {
            (room, "live"): sum(reader.begun for reader in stream.readers)
            for room, stream in self._rooms.items()
        }

    def counters(self) -> dict[tuple[str, str], int]:
        """What was counted, by room and event."""
        return {
            (room, event): count
            for room, stream in self._rooms.items()
            for event, count in stream.counted().items()
        }

    async def close(self) -> None:
        """End all streams cleanly; none begins any more. Idempotent."""
        self._closed = True
        await asyncio.gather(*(stream.close() for stream in self._rooms.values()))

    def _ended(self, reader: Reader, reason: str) -> None:
        self._rooms[reader.room].remove(reader, reason)
        if reason == SLOW:
            with about(room=reader.room, session=public_handle(reader.id)):
                log.info(
                    "a player that takes less than the sound is cut off after %g s of backlog",
                    self._backlog_ns / 1e9,
                )

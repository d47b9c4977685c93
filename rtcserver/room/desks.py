"""All rooms' desks: what the one-port backend calls back, and what signaling asks of them.

Loop-bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiortc import RTCDataChannel

from rtcserver.access.admission import Admission
from rtcserver.clock import monotonic_ns
from rtcserver.encode.encoding import Encoding, light_of
from rtcserver.errors import PeerError
from rtcserver.peer.base import Mode, Quality
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.room.desk import RoomDesk
from rtcserver.room.people import Known
from rtcserver.room.stage import Stage
from rtcserver.room.studio import answer_headers, describe, describe_light


class Desks:
    """The desks by name of their rooms."""

    def __init__(self, rooms: Mapping[str, RoomDesk], admission: Admission) -> None:
        self.rooms = rooms
        self._admission = admission

    def on_datachannel(self, session: OnePortSession, channel: RTCDataChannel) -> None:
        """A session opened a channel."""
        self.rooms[session.room].on_datachannel(session, channel)

    def on_ended(self, session: OnePortSession) -> None:
        """A session is over."""
        self.rooms[session.room].on_ended(session)

    def lapse(self) -> None:
        """See `RoomDesk.lapse`."""
        for room in self.rooms.values():
            room.lapse()

    def admit(self, room: str, mode: Mode, present: int, quality: Quality = "exact") -> Mapping[str, str]:
        """The headers of one more Studio listener's answer. present: those of this quality. Raises PeerError."""
        if quality == "light":
            if mode != "studio":
                raise PeerError(422, "studio_unavailable", "Studio light comes in RTP only.")
            self._admission.studio_light(present)
        else:
            self._admission.studio(present, self._channel_members() if mode == "studio-channel" else None)
        desk = self.rooms[room]
        return answer_headers(
            desk.studio_format(),
            mode,
            desk.room.instrument.status.error,
            quality=quality,
            light=self._light(room) if mode == "studio" else None,
        )

    def _light(self, room: str) -> Encoding | None:
        return (
            light_of(self.rooms[room].room.instrument.config) if self._admission.places.studio_light else None
        )

    def describe_studio(self, room: str, present: int, light: int = 0) -> dict[str, object] | None:
        """For ``GET /api/rooms``: places, and what each costs; None where Studio is turned off."""
        if self._admission.places.studio == 0:
            return None
        studio = self.rooms[room].studio_format()
        places: dict[str, object] = {"listeners": present, "limit": self._admission.places.studio}
        if studio is None:
            return places
        said = describe_light(self._light(room))
        for each in said.values():
            each |= {"listeners": light, "limit": self._admission.places.studio_light}
        return places | describe(studio) | said

    def _channel_members(self) -> int:
        members = (member for room in self.rooms.values() for member in room.members.values())
        return sum(member.session.mode == "studio-channel" for member in members)

    def sample_counters(self) -> Counter[str]:
        """What Studio over DataChannels counted, in all rooms."""
        return sum((room.samples.counters for room in self.rooms.values()), Counter[str]())

    def known(self, room: str, session_id: str) -> Known | None:
        """What is known of a session; None for one without a page of ours."""
        member = self.rooms[room].members.get(session_id)
        return None if member is None else member.known(monotonic_ns())

    def mute(self, room: str, session_id: str, on: bool) -> None:
        """See `RoomDesk.mute`."""
        member = self.rooms[room].members.get(session_id)
        if member is None:
            raise PeerError(409, "no_performer", "Only who performs can be muted.")
        self.rooms[room].mute(member, on)

    def sounds(self, room: str) -> dict[str, Any]:
        """The profile of a room's instrument. Raises PeerError(404) if it takes no MIDI."""
        return self._stage(room).sounds

    def demo(self, room: str) -> dict[str, Any]:
        """The notes of the demo piece. Raises PeerError(404) if the room's instrument plays none."""
        return self.rooms[room].demo.score()

    async def upload(self, room: str, title: str, data: bytes) -> dict[str, Any]:
        """Take a MIDI file. Raises PeerError that says what is wrong with it."""
        return await self._stage(room).upload(title, data)

    def midi_events(self) -> dict[tuple[str, str], int]:
        """What came on DataChannels, was played and reached the ports, by room and event."""
        return {
            (name, event): value
            for name, room in self.rooms.items()
            for counts in (room.counters.by_event(), room.stage.counters if room.stage is not None else {})
            for event, value in counts.items()
        }

    def _stage(self, room: str) -> Stage:
        stage = self.rooms[room].stage
        if stage is None:
            raise PeerError(404, "no_midi", "The instrument of this room takes no MIDI.")
        return stage

    def close(self) -> None:
        """Stop all timers."""
        for room in self.rooms.values():
            room.close()

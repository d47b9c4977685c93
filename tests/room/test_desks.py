"""The desk's word on Studio: who gets a place, and what is told of the places."""

from __future__ import annotations

import pytest

from rtcserver.access.admission import Admission, Places
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Door
from rtcserver.config.model import InstrumentConfig, RoomConfig
from rtcserver.errors import PeerError
from rtcserver.peer.base import Mode
from rtcserver.peer.oneport import OnePortBackend
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.room.desk import RoomDesk
from rtcserver.room.desks import Desks
from rtcserver.room.directory import Room
from rtcserver.room.member import Member
from rtcserver.room.router import Shown
from rtcserver.sdp.offer import check_offer
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from tests.sdp.offers import small

CHANNEL_PLACES = 3
LIVE = {"state": "live", "rate": 44_100, "blocksize": 128, "sample_format": "float32", "exact": True}


def desk_of(*names: str, places: int = 100) -> Desks:
    """Rooms whose instruments are as if they ran."""
    rooms = {}
    admission = Admission(Places(studio=places, studio_channel=CHANNEL_PLACES))
    for name in names:
        room = Room(RoomConfig(name, "", InstrumentConfig(instrument="tone")))
        for field, value in LIVE.items():
            setattr(room.instrument.status, field, value)
        rooms[name] = RoomDesk(room, Authorizer(Door({})), admission)
    return Desks(rooms, admission)


def join(desk: Desks, room: str, mode: Mode) -> None:
    """A session of this mode that has opened a channel."""
    backend = OnePortBackend(MediaEndpoint(EndpointConfig(host="127.0.0.1")))
    session = OnePortSession(backend, room, check_offer(small()), 1)
    session.mode = mode
    desk.rooms[room].members[session.id] = Member(session, desk.rooms[room])


def test_places_by_channel_are_counted_over_all_rooms() -> None:
    desk = desk_of("main", "side")
    for number in range(CHANNEL_PLACES):
        assert desk.admit("main", "studio-channel", number)["Rtcserver-Mode"] == "studio-channel"
        join(desk, "side" if number % 2 else "main", "studio-channel")
    with pytest.raises(PeerError, match=f"All {CHANNEL_PLACES} places") as refused:
        desk.admit("main", "studio-channel", CHANNEL_PLACES // 2)
    assert (refused.value.status, refused.value.code) == (503, "studio_full")
    assert desk.admit("main", "studio", CHANNEL_PLACES)["Rtcserver-Mode"] == "studio"


def test_listeners_in_rtp_take_no_place_by_channel() -> None:
    desk = desk_of("main")
    for _ in range(2 * CHANNEL_PLACES):
        join(desk, "main", "studio")
    assert desk.admit("main", "studio-channel", 2 * CHANNEL_PLACES)["Rtcserver-Mode"] == "studio-channel"


def test_the_places_are_told_with_their_cost() -> None:
    told = desk_of("main", places=5).describe_studio("main", 3)
    assert told is not None
    assert (told["listeners"], told["limit"], told["packets_per_s"]) == (3, 5, 344.5)
    assert told["mbps"] == pytest.approx(2.34, abs=0.01)


def test_without_an_instrument_only_the_places_are_known() -> None:
    desk = desk_of("main")
    desk.rooms["main"].room.instrument.status.state = "silent"
    assert desk.describe_studio("main", 0) == {"listeners": 0, "limit": 100}
    desk.rooms["main"].room.instrument.status.error = "samplerate: MONTAGE does not run at 96000 Hz"
    with pytest.raises(PeerError, match="96000 Hz"):
        desk.admit("main", "studio", 0)


async def test_readers_of_notes_get_what_everyone_is_shown() -> None:
    desk = desk_of("main").rooms["main"]
    desk.note(3, b"\x90\x3c\x40", 1000)
    with desk.subscribe_notes(limit=2) as notes, desk.subscribe_notes() as others:
        for key in range(3):
            desk.note(3, bytes((0x90, key, 64)), 2000 + key)
        assert [notes.get_nowait(), notes.get_nowait(), notes.get_nowait()] == [
            Shown(3, b"\x90\x01\x40", 2001),
            Shown(3, b"\x90\x02\x40", 2002),
            None,
        ]
        assert (notes.dropped, others.dropped, len(others)) == (1, 0, 3)
    desk.note(3, b"\x80\x3c\x40", 3000)
    assert (len(notes), len(others)) == (0, 3)
    with desk.subscribe_notes() as last:
        desk.close()
        assert [note async for note in last] == []


def test_where_studio_is_off_nothing_is_told_of_it() -> None:
    assert desk_of("main", places=0).describe_studio("main", 0) is None


def test_what_members_send_is_counted_by_room() -> None:
    desk = desk_of("main", "side")
    for room in ("main", "main", "side"):
        join(desk, room, "listen")
    for member in desk.rooms["main"].members.values():
        member.midi.receive(b"?", 0, 0)
        member.telemetry.receive("?", 0)
    events = desk.midi_events()
    assert events["main", "midi_messages"] == events["main", "midi_malformed"] == 2
    assert events["main", "telemetry_malformed"] == 2
    assert events["side", "midi_messages"] == events["side", "performer_limited"] == 0

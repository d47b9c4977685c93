"""The desk's word on Studio: who gets a place, and what is told of the places."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rtcserver.access.admission import Admission, Places
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Door, Request, house
from rtcserver.access.rules import DEFAULT, EXTERNAL
from rtcserver.access.token import Token, sign
from rtcserver.channel.telemetry import Auth
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
KEY = b"a key of the tests, of 32 bytes ..."
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


class Stage:
    """Counts who plays."""

    profile = player = None

    def __init__(self) -> None:
        self.playing: list[int] = []
        self.join = self.playing.append
        self.leave = self.playing.remove

    def play(self, performer: int, played: object) -> None:
        """Nobody holds a note here."""

    def close(self) -> None:
        """Nothing to end."""


class Elsewhere:
    """Decides when it is told to."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.asked: list[Request] = []

    async def allows(self, request: Request) -> bool:
        self.asked.append(request)
        return await self.answer


def signing_in(authorizer: Authorizer) -> tuple[RoomDesk, Member, Stage, list[dict[str, Any]]]:
    """A desk with a stage, a member who has signed in, and what is told to them."""
    desk = desk_of("main").rooms["main"]
    stage = Stage()
    desk.stage = stage  # type: ignore[assignment]
    desk._authorizer = authorizer
    backend = OnePortBackend(MediaEndpoint(EndpointConfig(host="127.0.0.1")))
    session = OnePortSession(backend, "main", check_offer(small()), 1)
    member = desk.members[session.id] = Member(session, desk)
    told: list[dict[str, Any]] = []
    member.tell = lambda text: told.append(json.loads(text))  # type: ignore[method-assign]
    return desk, member, stage, told


async def test_a_performer_whose_token_lapses_is_told_why_and_listens_on() -> None:
    revoked: set[str] = set()
    authorizer = Authorizer(house(DEFAULT, KEY, lambda token_id: token_id in revoked))
    desk, member, stage, told = signing_in(authorizer)
    desk.on_message(member, Auth(sign(KEY, Token("t1", ("main",), ("perform",), 9_999_999_999)), "Ann"))
    assert len(stage.playing) == 1
    desk.lapse()
    assert len(stage.playing) == 1
    told.clear()
    revoked.add("t1")
    desk.lapse()
    assert stage.playing == []
    assert [one.get("role") for one in told if one["type"] == "welcome"] == ["listener"]
    assert told[-1] == {
        "type": "error",
        "code": "bad_token",
        "message": "This link has been revoked.",
        "of": "auth",
    }
    count = len(told)
    desk.lapse()
    assert len(told) == count
    desk.close()


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_desk_goes_on_while_another_server_decides(allowed: bool) -> None:
    elsewhere = Elsewhere()
    desk, member, stage, told = signing_in(Authorizer(house(EXTERNAL, KEY), None, elsewhere))
    for _ in range(3):
        desk.on_message(member, Auth("their.own", "Ann"))
    await asyncio.sleep(0)
    assert (stage.playing, told) == ([], [])
    (asked,) = elsewhere.asked
    assert (asked.credential, asked.session) == ("their.own", member.session.public_id)
    elsewhere.answer.set_result(allowed)
    await asyncio.sleep(0.01)
    assert len(stage.playing) == (1 if allowed else 0)
    assert told[-1]["type"] == ("performers" if allowed else "error")
    desk.close()


async def test_nobody_performs_who_left_before_the_answer() -> None:
    elsewhere = Elsewhere()
    desk, member, stage, _ = signing_in(Authorizer(house(EXTERNAL, KEY), None, elsewhere))
    desk.on_message(member, Auth("their.own", "Ann"))
    await asyncio.sleep(0)
    desk.on_ended(member.session)
    await asyncio.sleep(0.01)
    assert elsewhere.answer.cancelled()
    assert stage.playing == []
    desk.close()


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

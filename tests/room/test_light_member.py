"""A member that asks for another quality of Studio: what it is sent, what it is told, and who is told no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtcserver.access.admission import Places
from rtcserver.channel.down.sender import HIDDEN, LISTEN, STUDIO
from rtcserver.channel.telemetry import Stats
from rtcserver.clock import NS
from rtcserver.encode.encoding import LIGHT
from rtcserver.peer.base import Mode
from rtcserver.peer.demand import KEEP_NS
from rtcserver.peer.oneport import OnePortBackend
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.peer.redundancy import MAX_LEVEL
from rtcserver.room.desk import RoomDesk
from rtcserver.room.member import Member
from rtcserver.sdp.offer import check_offer
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from tests.room.test_desks import desk_of
from tests.sdp.offers import small


async def test_a_hidden_page_gets_notes_rarely_and_the_state_when_it_is_seen_again() -> None:
    scene = Scene()
    member = scene.join(mode="listen", ready=False)
    opened: list[Member] = []
    scene.desk.on_midi_open = opened.append  # type: ignore[method-assign]
    member._channels["midi"] = None  # type: ignore[assignment]
    for hidden, cadence, times in (
        (0, LISTEN, 0),
        (1, HIDDEN, 0),
        (1, HIDDEN, 0),
        (0, LISTEN, 1),
        (0, LISTEN, 1),
    ):
        scene.say_later(member, hidden)
        assert (member.cadence, len(opened)) == (cadence, times)
    studio = scene.join(ready=False)
    scene.say_later(studio, 1)
    assert studio.cadence is STUDIO


class Scene:
    """A room and its members, without a network."""

    def __init__(self) -> None:
        desks = desk_of("main")
        self.desk: RoomDesk = desks.rooms["main"]
        self.backend = OnePortBackend(MediaEndpoint(EndpointConfig(host="127.0.0.1")))
        self.told: list[dict[str, Any]] = []

    def places(self, **places: int) -> None:
        self.desk._admission.change(Places(**places))

    def join(self, *, mode: Mode = "studio", light: bool = False, ready: bool = True) -> Member:
        session = OnePortSession(self.backend, "main", check_offer(small()), 1)
        session.mode = mode
        session.feedback.packets_per_s = 4_000
        session.sending.quality = "light" if light else "exact"
        session.sending.begin("opus", MAX_LEVEL, {}, 0)
        member = self.desk.members[session.id] = Member(session, self.desk)
        member.tell = lambda text: self.told.append(json.loads(text))  # type: ignore[method-assign]
        if ready:
            self.say(member, "studio_ready", version=1)
        return member

    def say(self, member: Member, kind: str, **values: object) -> None:
        member._on_telemetry(json.dumps({"type": kind, **values}))

    def say_later(self, member: Member, hidden: int) -> None:
        """A report, of which a page may send so many a second and no more."""
        member._handle(Stats({"hidden": hidden}), 0)

    def ask(self, member: Member, quality: object) -> dict[str, Any]:
        """Ask for it; the answer."""
        self.told.clear()
        self.say(member, "studio_quality", quality=quality)
        (said,) = self.told
        return said

    @property
    def samples_made(self) -> bool:
        return self.desk.room.instrument._studio


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    made.desk.close()


def changed(quality: str) -> dict[str, str]:
    return {"type": "studio_quality", "quality": quality}


async def test_each_quality_is_sent_and_answered(scene: Scene) -> None:
    member = scene.join()
    sending = member.session.sending
    assert sending.payload() == ("pcm", 111)
    for quality, kind in (
        ("both", f"pcm&{LIGHT}+1/111"),
        ("light", f"{LIGHT}+1/111"),
        ("both", f"pcm&{LIGHT}+1/111"),
    ):
        assert scene.ask(member, quality) == changed(quality)
        assert sending.payload() == (kind, 63)
        assert sending.encoding == LIGHT
        assert member.session.details["quality"] == quality
    assert scene.ask(member, "exact") == changed("exact")
    assert (sending.payload(), sending.encoding) == (("pcm", 111), "")
    assert scene.backend._demands["main"]._needed == {}


async def test_the_same_again_is_answered_and_asks_for_no_place(scene: Scene) -> None:
    member = scene.join(light=True)
    scene.places(studio=0, studio_light=0)
    assert scene.ask(member, "light") == changed("light")
    assert not scene.desk._admission.refused


async def test_samples_come_only_to_a_worker_that_has_said_it_is_there(scene: Scene) -> None:
    member = scene.join(light=True, ready=False)
    for quality in ("exact", "both"):
        said = scene.ask(member, quality)
        assert (said["type"], said["code"], said["of"]) == ("error", "not_ready", "studio_quality")
        assert "studio_ready" in said["message"]
        assert member.session.sending.quality == "light"
    scene.say(member, "studio_ready", version=1)
    # In light that is a word about the worker, and no wish.
    assert member.session.sending.quality == "light"
    assert not scene.samples_made
    assert scene.ask(member, "exact") == changed("exact")
    assert scene.samples_made


async def test_full_light_is_refused_in_a_sentence_and_the_samples_go_on(scene: Scene) -> None:
    scene.places(studio=2, studio_light=1)
    scene.join(light=True)
    member = scene.join()
    for quality in ("light", "both"):
        said = scene.ask(member, quality)
        assert (said["code"], said["of"]) == ("studio_full", "studio_quality")
        assert (
            said["message"] == "The only place of Studio light in this room is taken; Listen mode has room."
        )
    assert member.session.sending.payload() == ("pcm", 111)


async def test_full_exact_is_refused_and_light_goes_on(scene: Scene) -> None:
    scene.places(studio=1, studio_light=2)
    first = scene.join()
    member = scene.join(light=True)
    for quality in ("exact", "both"):
        said = scene.ask(member, quality)
        assert (said["code"], said["of"]) == ("studio_full", "studio_quality")
        assert said["message"] == "The only Studio place of this room is taken; Listen mode has room."
    assert member.session.sending.payload() == (f"{LIGHT}+1/111", 63)
    # Who leaves the samples for light makes room.
    assert scene.ask(first, "light") == changed("light")
    assert scene.ask(member, "both") == changed("both")
    assert scene.ask(first, "both")["code"] == "studio_full"


async def test_both_takes_the_place_of_the_samples_and_none_of_light(scene: Scene) -> None:
    scene.places(studio=1, studio_light=1)
    member = scene.join()
    assert scene.ask(member, "both") == changed("both")
    other = scene.join(light=True)
    assert scene.ask(other, "exact")["code"] == "studio_full"
    # The one place of light is the other's, so that both go on.
    assert scene.ask(member, "light")["code"] == "studio_full"
    assert member.session.sending.quality == "both"
    assert scene.ask(member, "exact") == changed("exact")


@pytest.mark.parametrize("mode", ["listen", "studio-channel"])
@pytest.mark.parametrize("quality", ["light", "both"])
async def test_only_studio_in_rtp_has_light(scene: Scene, mode: Mode, quality: str) -> None:
    member = scene.join(mode=mode, ready=False)
    member.studio_ready = True
    said = scene.ask(member, quality)
    assert (said["type"], said["code"], said["of"]) == ("error", "not_studio", "studio_quality")
    assert member.session.sending.quality == "exact"
    assert not scene.samples_made


async def test_a_listener_in_listen_is_not_told_that_it_has_exact_samples(scene: Scene) -> None:
    member = scene.join(mode="listen", ready=False)
    said = scene.ask(member, "exact")
    assert (said["type"], said["code"]) == ("error", "not_studio")


@pytest.mark.parametrize("quality", ["best", None, 1, ["light"], {"light": 1}])
async def test_a_quality_that_there_is_not_is_named_and_changes_nothing(
    scene: Scene, quality: object
) -> None:
    member = scene.join()
    said = scene.ask(member, quality)
    assert (said["type"], said["code"]) == ("error", "unknown_quality")
    assert "exact, light or both" in said["message"]
    assert member.session.sending.quality == "exact"


async def test_the_samples_are_made_a_while_longer_for_who_leaves_them(scene: Scene) -> None:
    member = scene.join()
    assert scene.samples_made
    scene.ask(member, "both")
    scene.ask(member, "light")
    assert scene.samples_made
    ends = scene.desk.exact.ends
    assert ends is not None
    scene.ask(member, "exact")
    assert ends.cancelled()
    assert scene.desk.exact.ends is None
    scene.ask(member, "light")
    ends = scene.desk.exact.ends
    assert ends is not None
    assert 0 < ends.when() - asyncio.get_running_loop().time() <= KEEP_NS / NS
    ends._run()  # type: ignore[attr-defined]
    assert not scene.samples_made


async def test_the_samples_end_however_many_come_and_go_in_light(scene: Scene) -> None:
    member = scene.join()
    scene.ask(member, "light")
    ends = scene.desk.exact.ends
    assert ends is not None
    for _ in range(3):
        other = scene.join(light=True)
        scene.desk.on_ended(other.session)
        assert scene.desk.exact.ends is ends, "others do not put it off"
    assert not ends.cancelled()
    ends._run()  # type: ignore[attr-defined]
    assert not scene.samples_made
    scene.desk.on_ended(scene.join(light=True).session)
    assert scene.desk.exact.ends is None, "there is nothing to end any more"


async def test_reports_are_counted_by_the_quality_that_they_are_about(scene: Scene) -> None:
    member, listener = scene.join(), scene.join(mode="listen", ready=False)
    counted: list[str] = []
    scene.desk.observe = lambda mode, values: counted.append(mode)
    for quality in ("exact", "both", "light", "exact"):
        scene.ask(member, quality)
        scene.desk.on_stats(member, {})
    scene.desk.on_stats(listener, {})
    assert counted == ["studio", "studio-light", "studio-light", "studio", "listen"]


async def test_reports_decide_about_earlier_frames_in_light_and_about_copies_in_exact(scene: Scene) -> None:
    member = scene.join(light=True)
    said: list[dict[str, float]] = []
    member.session.light_said = said.append  # type: ignore[method-assign,assignment]
    now = NS
    report = {"packets": 380.0, "missed": 20.0, "lost": 7.0}
    member._report(report, now)
    assert said == [report]
    assert not member.redundancy.on
    scene.ask(member, "exact")
    scene.told.clear()
    member._report({"lost": 5.0}, now)
    assert not member.redundancy.on, "what was lost before is none of the samples'"
    member._report({"lost": 9.0}, now + NS)
    assert scene.told == [{"type": "studio_redundancy", "on": True}]
    assert member.session.sending.payload() == ("pcm-twice", 111)
    # Light knows nothing of that, and back in exact each block comes once until more is lost.
    scene.ask(member, "light")
    assert member.session.sending.payload() == (f"{LIGHT}+1/111", 63)
    scene.ask(member, "exact")
    assert member.session.sending.payload() == ("pcm", 111)


async def test_who_leaves_gives_back_the_place_and_light_ends(scene: Scene) -> None:
    scene.places(studio=1, studio_light=1)
    first = scene.join(light=True)
    second = scene.join()
    assert scene.ask(second, "light")["code"] == "studio_full"
    first.session.sending.end()
    scene.desk.on_ended(first.session)
    assert scene.backend._demands["main"]._needed == {}
    assert scene.ask(second, "light") == changed("light")
    assert scene.backend._demands["main"]._needed == {LIGHT: 1}

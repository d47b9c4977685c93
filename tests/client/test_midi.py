"""Stock aiortc peers exchange MIDI with the real server, and the embedded instrument is heard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient, MidiEvent
from rtcserver.client.phrase import parse_phrase
from rtcserver.client.whep import ListenError
from rtcserver.clock import MEDIA_RATE
from tests.rig.perform import performer_token
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("compares notes with sound by media time, which no load moves")

RINGING = MEDIA_RATE // 100
"""A frame of Opus: a sharp onset may be heard that much too soon."""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="fluidsynth", demo="false") as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        yield server


def keys(events: list[MidiEvent]) -> list[tuple[str, int]]:
    return [("on" if event.message[0] & 0x10 else "off", event.message[1]) for event in events]


async def seen(client: MidiClient, count: int) -> list[MidiEvent]:
    await client.wait_heard(count)
    return sorted(client.events, key=lambda event: event.media_time)


async def test_a_performer_plays_and_a_listener_sees_and_hears_it(server: RtcServer) -> None:
    playing, watching = MidiClient(token=performer_token(server)), MidiClient()
    async with (
        Listener(server.room_url, channels=watching) as ear,
        Listener(server.room_url, channels=playing),
    ):
        await watching.wait_welcome()
        await playing.play(parse_phrase("-:500 C5:400:110 E5:400:110"))
        events = await seen(watching, 4)
        await ear.hear(ear.heard_s + 0.5)
        sound = np.abs(ear.audio().astype(np.int32)).max(axis=1)
        first = ear.packets[0].timestamp
        skews = [watching.skew_ms(event) for event in events]
        assert keys(await seen(playing, 4)) == keys(events)
        assert playing.up is not None
        assert not playing.up.held
    assert sorted(keys(events)) == sorted([("on", 72), ("off", 72), ("on", 76), ("off", 76)])
    assert {event.performer for event in events} == {playing.performer}
    assert watching.performer is None
    assert None not in skews
    # The sound begins where the event says it does, on the audio's own timeline.
    onset = int(np.flatnonzero(sound > 300)[0])
    heard_at = (first + onset - watching.welcome["rtp_offset"]) & 0xFFFF_FFFF
    on, off = events[0].media_time, events[1].media_time
    assert on - RINGING <= heard_at < off


async def test_a_listener_plays_nothing(server: RtcServer) -> None:
    listening, watching = MidiClient(), MidiClient()
    async with Listener(server.room_url, channels=listening), Listener(server.room_url, channels=watching):
        await watching.wait_welcome()
        await listening.play(parse_phrase("C4:100 C4:100"))
        assert listening.push(b"\x90\x3c\x40") == []
    # A joining session is also told of the last moments before it came: of other notes.
    assert not [event for event in watching.events if event.message[1] == 60]


async def test_a_forged_link_is_refused_with_the_servers_words(server: RtcServer) -> None:
    forged = MidiClient(token=performer_token(server)[:-2] + "AA")
    async with Listener(server.room_url, channels=forged):
        with pytest.raises(ListenError, match="This link is not valid on this server"):
            await forged.wait_welcome()
    assert forged.up is None


def test_the_command_plays_a_phrase_and_counts_it(server: RtcServer) -> None:
    link = f"{server.room_url}#perform={performer_token(server)}"
    command = [sys.executable, "-m", "rtcserver", "client", link, "--send", "C4:100 E4:100", "--json"]
    done = subprocess.run(
        [*command, "--seconds", "1"], capture_output=True, text=True, timeout=60, cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["midi"]["role"] == "performer"
    assert (said["midi"]["sent"], said["midi"]["events"]) == (4, 4)
    assert said["midi"]["unacknowledged"] == said["midi"]["abandoned"] == 0
    assert "perform=" not in done.stdout


def test_a_phrase_without_a_performer_link_says_what_is_missing(server: RtcServer) -> None:
    command = [sys.executable, "-m", "rtcserver", "client", server.room_url, "--send", "C4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
    assert done.returncode == 2
    assert "performer link" in done.stderr

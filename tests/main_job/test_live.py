"""A room's live.opus in the players that people have: whole sound, both sides, through the death of the device."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rig.players import Player, folder, judged
from tests.rig.process import wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("asserts tones and counters")

LEFT_HZ, RIGHT_HZ, TONE_DBFS = 443.0, 661.0, -18.0
TWO_SECONDS = 2 * 160_000 // 8 + 24_000
"""Bytes of it, behind the last pages that a join gets at once."""
PROGRAMS = {"ffmpeg": "ffmpeg", "vlc": "cvlc", "mpv": "mpv"}
TITLE = 'Piano <script>alert(1)</script>\n"quoted"'


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    """One that plays a tone a side."""
    with RtcServer(
        instrument="tone", tone_left_hz=LEFT_HZ, tone_right_hz=RIGHT_HZ, title=TITLE, frame_ms=10
    ) as running:
        running.wait_healthy(lambda said: said["status"] == "ok")
        yield running


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that another user's player may write to, too."""
    with folder() as made:
        yield made


def taken(server: RtcServer) -> int:
    """Bytes that the only player has got so far."""
    sessions = server.get_json("/api/rooms/main")["sessions"]
    return sum(session["counters"]["bytes"] for session in sessions)


def counted(server: RtcServer) -> dict[str, int]:
    """What the room's stream has counted."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        found = re.findall(
            r'rtcserver_live_events_total\{event="(\w+)",room="main"\} (\S+)', answer.read().decode()
        )
    return {event: int(float(count)) for event, count in found}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_player_hears_both_sides_before_and_after_the_device_dies(
    server: RtcServer, place: Path, name: str
) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"{name} is not installed; it is too large for the tests to ask for it")
    before = counted(server)
    player = Player(name, f"{server.room_url}/live.opus", 7, place / f"{name}.pcm")
    try:
        wait_until(lambda: taken(server) > TWO_SECONDS, "played for two seconds", 20)
        (instrument,) = server.pids_with("rtcserver.instrument.process")
        os.kill(instrument, signal.SIGSTOP)
        wait_until(lambda: counted(server)["silent"] > before["silent"] + 60, "silent for 0.6 s", 10)
        # A new one is there within a tenth of a second.
        os.kill(instrument, signal.SIGKILL)
        said = player.wait(30)
    finally:
        player.close()
    found = judged(player.out, LEFT_HZ, RIGHT_HZ)
    assert found["seconds"] >= 5, said
    assert found["tone"] >= 20, found
    assert found["runs"] == 2, found
    assert found["wrong"] <= 2 * found["runs"], found
    assert found["jumps"] == 0, found
    assert found["highest_db"] == pytest.approx(TONE_DBFS, abs=0.3), found
    assert 5 <= found["silent"] <= 30, found
    server.wait_healthy(lambda said: said["status"] == "ok")


def test_ffprobe_is_told_the_rooms_title_as_harmless_text(server: RtcServer) -> None:
    words = ["ffprobe", "-loglevel", "error", "-show_streams", "-of", "json", f"{server.room_url}/live.m3u"]
    with urllib.request.urlopen(words[-1], timeout=10) as answer:
        *_, address = answer.read().decode().splitlines()
    assert address == f"{server.room_url}/live.opus"
    words[-1] = address
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    (stream,) = json.loads(done.stdout)["streams"]
    assert (stream["codec_name"], stream["channels"]) == ("opus", 2)
    assert stream["tags"]["TITLE"] == "Live"
    assert stream["tags"]["ARTIST"] == TITLE.replace("\n", "\ufffd")


def test_players_are_listeners_like_others(server: RtcServer, place: Path) -> None:
    player = Player("ffmpeg", f"{server.room_url}/live.opus", 4, place / "listed.pcm")
    try:
        wait_until(lambda: len(server.get_json("/api/rooms/main")["sessions"]) == 1, "listed", 10)
        (session,) = server.get_json("/api/rooms/main")["sessions"]
        assert (session["mode"], session["user_agent"][:4]) == ("live", "Lavf")
        assert server.get_json("/api/rooms")["rooms"][0]["listeners"] == 1
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
            assert 'rtcserver_listeners{mode="live",room="main"}' in answer.read().decode()
        player.wait()
        wait_until(lambda: server.get_json("/api/rooms/main")["sessions"] == [], "gone", 10)
    finally:
        player.close()
    began = time.monotonic()
    wait_until(lambda: server.health()["rooms"]["main"]["coded"] is False, "resting", 20)
    assert time.monotonic() - began < 20

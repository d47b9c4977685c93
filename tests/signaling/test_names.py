"""Names of files and devices that are not UTF-8, end to end through the real server."""

from __future__ import annotations

import os
import urllib.request
import wave
from pathlib import Path

import pytest

from tests.main_job.test_listening import live
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("asserts what the server says")


def test_a_file_in_latin_1_is_played_and_told_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"Fl\xfcgel.wav")
    with path.open("wb") as file, wave.open(file, "wb") as sound:
        sound.setparams((2, 2, 48_000, 0, "NONE", ""))
        sound.writeframes(bytes(4 * 48_000))
    with RtcServer(instrument="file", log_level="debug", file=path) as server:
        server.wait_healthy(live)
        (room,) = server.get_json("/api/rooms")["rooms"]
        assert server.get_json("/api/rooms/main")["instrument"]["name"] == "Fl\ufffdgel.wav"
        assert room["instrument"]["name"] == "Fl\ufffdgel.wav"
        assert server.get_json("/healthz")["rooms"]["main"]["device"] == "Fl\ufffdgel.wav"
        with urllib.request.urlopen(server.url + "/metrics", timeout=5) as response:
            assert response.status == 200
        assert "Traceback" not in server.log()


def test_a_missing_device_in_latin_1_is_told_as_the_rooms_error() -> None:
    with RtcServer(instrument="portaudio", device=os.fsdecode(b"Fl\xfcgel")) as server:
        server.wait_healthy(lambda health: bool(health["rooms"]["main"]["error"]))
        health = server.health()["rooms"]["main"]
        said = server.get_json("/api/rooms/main")["instrument"]
        assert (said["name"], said["state"]) == ("Fl\ufffdgel", "silent")
        assert "Fl\ufffdgel" in said["error"]
        assert "Fl\ufffdgel" in health["error"]
        assert "Traceback" not in server.log()

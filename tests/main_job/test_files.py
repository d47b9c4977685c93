"""A room with a file that is not in order: it plays, or says why not, once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from rtcserver.client.listen import listen
from tests.capture.sounds import tones, write_wav
from tests.rig.process import wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for what the room says of its file")

FOLDER = Path(__file__).parents[1] / "vectors" / "files" / "audio"


def instrument(server: RtcServer) -> dict[str, Any]:
    found: dict[str, Any] = server.get_json("/api/rooms/main")["instrument"]
    return found


def test_what_is_left_out_is_said_once_and_the_room_plays(tmp_path: Path) -> None:
    path = tmp_path / "take:1.mp3"
    shutil.copy(FOLDER / "junk-in-the-middle.mp3", path)
    said = "take:1.mp3: 1 packet of 40 could not be decoded."
    with RtcServer(instrument="file", file=path) as server:
        wait_until(lambda: instrument(server)["note"] == said, "the note", 20)
        assert (instrument(server)["state"], instrument(server)["error"]) == ("live", None)
        before = server.health()["rooms"]["main"]["frames"]
        # A round takes a second: what a round says again would be in the log again.
        asyncio.run(listen(server.room_url, 4.0))
        assert server.health()["rooms"]["main"]["frames"] > before + 3 * 48_000
        assert server.health()["rooms"]["main"]["epoch"] == 1
        log = server.log()
    assert log.count("could not be decoded") == 1
    assert "Traceback" not in log


def test_a_file_that_cannot_be_played_is_a_sentence_and_plays_once_it_can(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(b"<html>502 Bad Gateway</html>" * 50)
    with RtcServer(instrument="file", file=path) as server:
        wait_until(
            lambda: "cannot be read as sound" in (instrument(server)["error"] or ""), "the sentence", 20
        )
        assert "take.wav" in instrument(server)["error"]
        pid = server.health()["processes"]["instrument:main"]["pid"]
        write_wav(path, tones(440, 660), 48_000)
        wait_until(lambda: instrument(server)["state"] == "live", "the music", 20)
        assert instrument(server)["error"] is None
        assert server.health()["processes"]["instrument:main"]["pid"] == pid, "no process had to end for it"
        log = server.log()
    assert "Traceback" not in log
    assert log.count("cannot be read as sound") == 1

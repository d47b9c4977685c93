"""``rtcserver play``: a file is played on the room's instrument to its end, or refused with a reason."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import mido
import pytest

from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("asserts that a file ends and how many events it was")


@pytest.fixture
def scale(tmp_path: Path) -> Path:
    track = mido.MidiTrack()
    for note in (60, 62, 64):
        track.append(mido.Message("note_on", note=note, velocity=90, time=0))
        track.append(mido.Message("note_off", note=note, velocity=0, time=120))
    file = mido.MidiFile(tracks=[track])
    file.save(tmp_path / "scale.mid")
    return tmp_path / "scale.mid"


def play(link: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rtcserver", "play", link, str(file)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )


def test_a_file_is_played_to_its_end_and_others_are_refused(scale: Path, tmp_path: Path) -> None:
    with RtcServer(demo=False) as server:
        server.wait_healthy(lambda health: health["status"] == "ok")
        found = re.search(r"#perform=\S+", server.log())
        assert found is not None
        link = server.room_url + found[0]
        done = play(link, scale)
        assert (done.returncode, done.stderr) == (0, "")
        with urllib.request.urlopen(server.url + "/metrics", timeout=5) as response:
            metrics = response.read().decode()
        assert 'rtcserver_midi_events_total{event="events",room="main"} 6.0' in metrics
        (tmp_path / "no.mid").write_bytes(b"no MIDI file at all, however long it may be")
        refused = play(link, tmp_path / "no.mid")
        assert refused.returncode == 2
        assert "This MIDI file cannot be played" in refused.stderr
        stranger = play(server.room_url + "#perform=guess.work", scale)
        assert stranger.returncode == 2
        assert "not valid" in stranger.stderr

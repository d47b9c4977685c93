"""Real files of Debian packages, against FluidSynth's player, mido and ffprobe. `script/files-test` gets them.

Skipped where `RTCSERVER_REAL_FILES` names no folder: the packages take 200 MB.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pytest

from rtcserver.capture.decode import Tally, decode
from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi.smf import MAX_BYTES, MAX_TAIL_NS, read
from tests.real import fluid_player

FOLDER = os.environ.get("RTCSERVER_REAL_FILES", "")
SOUND_ENDINGS = (".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".aif", ".aiff", ".au")
MAX_OF_A_FOLDER = 24
"""Files of one folder that are taken: a sample library would leave no room for others."""

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="RTCSERVER_REAL_FILES names no folder; see script/files-test"),
    pytest.mark.timeout(600),
]


def found(endings: tuple[str, ...]) -> list[Path]:
    if not FOLDER:
        return []
    files = sorted(p for p in Path(FOLDER).rglob("*") if p.suffix.lower() in endings and p.is_file())
    seen: Counter[Path] = Counter()
    taken = []
    for path in files:
        seen[path.parent] += 1
        if seen[path.parent] <= MAX_OF_A_FOLDER or endings[0] == ".mid":
            taken.append(path)
    return taken


def name_of(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix().replace("/", "-")


SONGS = found((".mid", ".midi", ".rmi"))
SOUNDS = found(SOUND_ENDINGS)


def test_there_are_enough() -> None:
    assert len(SONGS) >= 60
    assert len(SOUNDS) >= 20


@pytest.mark.parametrize("path", SONGS, ids=name_of)
def test_a_song_has_the_notes_that_others_find(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) <= MAX_BYTES
    played = Counter(
        (channel, key, velocity) for _, channel, key, velocity in fluid_player.play(data) if velocity
    )
    if not played:
        with pytest.raises(PeerError, match="no notes"):
            read(data)
        return
    song = read(data)
    ours = Counter(
        (m.channel(message), message[1], message[2]) for _, message in song.events if m.is_note_on(message)
    )
    assert ours == played, "FluidSynth's player"
    reference = mido.MidiFile(file=io.BytesIO(data), clip=True)
    at, expected = 0.0, []
    for event in reference:
        at += event.time
        if event.type == "note_on" and event.velocity:
            expected.append((at, (event.channel, event.note, event.velocity)))
    assert ours == Counter(note for _, note in expected), "mido"
    times = [at_ns / 1e9 for at_ns, message in song.events if m.is_note_on(message)]
    assert times == pytest.approx([at for at, _ in expected], abs=1e-5)
    last = max(at_ns for at_ns, message in song.events if m.is_note_on(message) or m.is_note_off(message))
    assert song.duration_ns / 1e9 == pytest.approx(
        min(reference.length, (last + MAX_TAIL_NS) / 1e9), abs=1e-4
    )


@pytest.mark.parametrize("path", SOUNDS, ids=name_of)
def test_a_sound_is_as_long_as_ffprobe_says(path: Path) -> None:
    tally, loudest = Tally(), 0.0
    for samples in decode(path, 48_000, tally):
        assert samples.dtype == np.float32
        loudest = max(loudest, float(np.abs(samples).max(initial=0)))
    assert loudest <= 1
    assert tally.note(path.name) is None
    asked = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "a:0",
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
    ]
    said = subprocess.run([*asked, f"file:{path}"], capture_output=True, text=True, check=True).stdout
    # It may count what MP3's encoder put in front and behind: two frames.
    slack = 0.06 if path.suffix == ".mp3" else 0.005
    assert tally.frames / 48_000 == pytest.approx(float(said), abs=slack)

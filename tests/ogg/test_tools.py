"""Programs of others read what the chain writes: opus-tools' opusinfo, which complains of every slip, and ffmpeg."""

from __future__ import annotations

import json
import subprocess
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from rtcserver.encode.codec import DEFAULT
from rtcserver.ogg.link import MIN_LINK_SAMPLES, PRE_SKIP, Chain
from tests.peer.tones import FRAME, LEFT_HZ, RIGHT_HZ, dominant_hz, packet

PACKETS = 2 * MIN_LINK_SAMPLES // FRAME
TITLE = '<b>"Nocturne"\r\n#EXTM3U'


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of tones from the middle of a room's time, a lost quarter of a second in them, then another title."""
    serials = count(7)
    chain = Chain(FRAME, DEFAULT.silence(FRAME), lambda: next(serials), {"TITLE": "Live", "ARTIST": "Hall"})
    data = chain.head
    for index in range(PACKETS):
        if index == MIN_LINK_SAMPLES // FRAME:
            chain.retitle({"TITLE": TITLE, "ARTIST": "Hall"})
        if not 100 <= index < 125:
            data += b"".join(chain.push(packet(index, start=48_000_000)))
    path = tmp_path_factory.mktemp("ogg") / "chained.opus"
    path.write_bytes(data + chain.farewell())
    return path


def run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_opusinfo_finds_nothing_wrong(chained: Path) -> None:
    said = run("opusinfo", chained)
    assert "WARNING" not in said.upper().replace("WARNING: SAMPLE RATE", "")
    assert said.count("New logical stream") == 2
    assert f"Pre-skip: {PRE_SKIP}" in said
    assert "TITLE=Live" in said
    assert "ARTIST=Hall" in said
    assert 'TITLE=<b>"Nocturne"\ufffd\ufffd#EXTM3U\n' in said


def test_ffmpeg_reads_the_names_and_plays_every_sample(chained: Path) -> None:
    streams = json.loads(run("ffprobe", "-loglevel", "error", "-show_streams", "-of", "json", chained))[
        "streams"
    ]
    (stream,) = streams
    assert (stream["codec_name"], stream["channels"], stream["sample_rate"]) == ("opus", 2, "48000")
    assert stream["tags"]["TITLE"] == "Live"
    # Media time 48,000,000 is 1000 s.
    assert float(stream["start_time"]) == pytest.approx(1000, abs=0.1)
    pcm = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", chained, "-f", "s16le", "-"], capture_output=True, timeout=60
    )
    assert pcm.stderr == b""
    sound = np.frombuffer(pcm.stdout, "<i2").reshape(-1, 2)
    # The silent packet of the last page is heard, and what each link's decoder drops is not.
    assert abs(len(sound) - (PACKETS + 1) * FRAME + PRE_SKIP) <= PRE_SKIP
    first = sound[:40_000]
    assert dominant_hz(first[:, 0]) == pytest.approx(LEFT_HZ, abs=2)
    assert dominant_hz(first[:, 1]) == pytest.approx(RIGHT_HZ, abs=2)
    hole = sound[110 * FRAME - PRE_SKIP : 124 * FRAME - PRE_SKIP]
    assert np.abs(hole).max() <= 1

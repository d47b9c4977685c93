"""What is said of files that are no sound, and WAV files whose header says too little."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from rtcserver.capture.decode import Tally, decode
from rtcserver.errors import InstrumentError
from tests.capture.sounds import encode, tones, write_wav


def played(path: Path) -> tuple[int, str | None]:
    """Frames, and the note."""
    tally = Tally()
    frames = sum(len(samples) for samples in decode(path, 48_000, tally))
    return frames, tally.note(path.name)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (
            b"this is a text\n" * 40,
            "(it is in no format that is known, or damaged|holds no samples|has no sound, only pictures)$",
        ),
        (b"<!DOCTYPE html><title>404</title>", "it is a web page"),
        (b'{"error": "not found"}', "it is a web page or an answer of a server"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.mp3\n", "it is a list of other files or addresses"),
        (
            b"ffconcat version 1.0\nfile 'http://127.0.0.1:9/a.mp3'\n",
            "it is a list of other files or addresses",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", "it is a pointer of Git LFS"),
        (b"PK\3\4" + bytes(range(256)) * 8, "it is an archive"),
        (b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0", "it is a MIDI file"),
        (bytes(5000), "it holds nothing but zeros"),
    ],
)
@pytest.mark.parametrize("name", ["take.mp3", "take.flac", "take.pls"])
def test_what_a_file_is_that_is_no_sound(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InstrumentError, match=said) as caught:
        played(path)
    assert caught.value.code == "format"
    assert str(caught.value).startswith(f"file: {name} ")


def test_a_recording_whose_index_is_missing_is_said(tmp_path: Path) -> None:
    path = encode(tmp_path / "take.m4a", tones(440, 660), 48_000, "aac")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(InstrumentError, match=r"its index \(moov\) is not there"):
        played(path)


@pytest.mark.parametrize(
    ("claimed", "frames", "note"),
    [
        (0, 48_000, None),
        (0xFFFFFFFF, 48_000, None),
        (4 * 48_000 * 3, 48_000, None),
        (4 * 1000, 48_000, "take.wav: it has more sound than its header says."),
    ],
)
def test_the_length_in_a_wav_header_is_not_believed(
    tmp_path: Path, claimed: int, frames: int, note: str | None
) -> None:
    path = write_wav(tmp_path / "take.wav", np.full((48_000, 2), -3000, np.int16), 48_000)
    data = path.read_bytes()
    at = data.index(b"data") + 4
    path.write_bytes(data[:at] + struct.pack("<I", claimed) + data[at + 4 :])
    assert played(path) == (frames, note)


@pytest.mark.parametrize("behind", [b"LIST\4\0\0\0INFO", b"id3 \4\0\0\0abcd", b"\0\0", b""])
def test_chunks_behind_the_sound_are_no_sound(tmp_path: Path, behind: bytes) -> None:
    path = write_wav(tmp_path / "take.wav", tones(440, 660), 48_000)
    path.write_bytes(path.read_bytes() + behind)
    assert played(path) == (48_000, None)

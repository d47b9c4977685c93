"""What is told of a SoundFont file that cannot be loaded."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rtcserver.capture.soundfont import fault


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"text\n", "is no SoundFont (.sf2, .sf3)"),
        (b"RIFF\4\0\0\0WAVE", "is no SoundFont (.sf2, .sf3)"),
        (
            b"RIFF" + struct.pack("<I", 2000) + b"sfbk" + bytes(988),
            "is cut short: 1,000 of its 2,008 bytes are there",
        ),
        (b"RIFF" + struct.pack("<I", 993) + b"sfbk" + bytes(988), ""),
        (b"RIFF" + struct.pack("<I", 12) + b"DLS " + bytes(100), ""),
    ],
)
def test_what_is_wrong_with_a_soundfont(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "grand.sf2"
    path.write_bytes(data)
    assert fault(path) == said

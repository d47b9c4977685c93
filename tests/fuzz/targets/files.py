"""Files of sound, as far as we read them ourselves."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from rtcserver.capture import first_bytes, soundfont
from rtcserver.capture.ogg import next_link
from rtcserver.server.tokens import KEY_FILE, LIST_FILE, TokenStore
from tests.fuzz.target import target


class MemoryFile:
    """A file without a disk, with a path."""

    def __init__(self, name: str) -> None:
        self._fd = os.memfd_create(name)
        self.path = Path(f"/proc/self/fd/{self._fd}")

    def hold(self, data: bytes) -> Path:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)
        return self.path


FILE = MemoryFile("sound")


def page(flags: int, body: bytes) -> bytes:
    """An Ogg page (RFC 3533, section 6)."""
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([1, len(body)]) + body


def _links() -> Iterator[bytes]:
    one = page(2, b"OpusHead") + page(0, b"OpusTags") + page(4, b"data")
    yield one
    yield one + one
    yield one + b"noise" + one[:-3]
    yield b"OggS" * 20


@target("ogg", good=_links, max_bytes=2000)
def ogg(data: bytes) -> None:
    at: int | None = 0
    seen = 0
    while at is not None and seen < 20:
        following = next_link(io.BytesIO(data), at)
        assert following is None or at < following < len(data)
        at = following
        seen += 1


def _sounds() -> Iterator[bytes]:
    yield from (
        b"",
        bytes(70),
        b"\0\0\0\x20ftypM4A ",
        b"#EXTM3U\n",
        b"<!doctype html>",
        b"PK\3\4",
        b"MThd",
        b"\xef\xbb\xbf{",
    )
    chunks = b"fmt " + struct.pack("<I", 16) + bytes(16) + b"data" + struct.pack("<I", 8) + bytes(8)
    yield b"RIFF" + struct.pack("<I", 200) + b"WAVE" + chunks + bytes(40)
    yield b"RIFF" + struct.pack("<I", 200) + b"WAVE" + chunks + b"LIST" + bytes(40)
    yield b"RIFF" + struct.pack("<I", 20) + b"sfbk" + bytes(16)


@target("first-bytes", good=_sounds, words=("RIFF", "WAVE", "data", "fmt ", "sfbk"), max_bytes=400)
def begin(data: bytes) -> None:
    path = FILE.hold(data)
    assert not first_bytes.instead_of_sound(path).endswith(".")
    first_bytes.wav_says_too_little(path)
    soundfont.fault(path)


class Stored:
    """A state folder whose list of tokens may be anything; made when it is first needed."""

    def __init__(self) -> None:
        self._store: TokenStore | None = None

    def with_list(self, data: bytes) -> TokenStore:
        if self._store is None:
            folder = Path("/dev/shm") / f"rtcserver-fuzz-{os.getpid()}"
            folder.mkdir(exist_ok=True)
            self._store = TokenStore(str(folder))
            (folder / KEY_FILE).unlink()
            self._path = folder / LIST_FILE
            self._number = 0
        self._number += 1
        self._path.write_bytes(data)
        # The list is read again when its time has changed.
        os.utime(self._path, ns=(self._number, self._number))
        return self._store


STORED = Stored()


def _lists() -> Iterator[bytes]:
    yield b'{"id": {"rooms": ["*"], "actions": ["listen"], "expires_s": 5, "name": "A", "revoked": true}}'
    yield b'{"id": {"revoked": false}}'
    yield from (b"{}", b"[]", b"5", b'{"id": 5}', b"", b"\xff")


@target("token-list", good=_lists, words=('"revoked"', "true", "false", "[", "{"), max_bytes=1500)
def tokens(data: bytes) -> None:
    assert STORED.with_list(data).is_revoked("id") in (True, False)

"""What a file's own bytes tell where FFmpeg only says "invalid data", or believes a header that is wrong."""

from __future__ import annotations

from pathlib import Path

_BYTES = 64
_MAX_CHUNKS = 100
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-")


def instead_of_sound(path: Path) -> str:
    """What a file is that cannot be opened as sound, as the end of a sentence; "" if it cannot be told. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_BYTES)
    if not head:
        return "it is empty"
    if not any(head):
        return "it holds nothing but zeros at its beginning"
    if head[4:8] == b"ftyp":
        return "its index (moov) is not there, as in a recording or download that was cut short"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"#extm3u", b"ffconcat", b"[playlist]", b"http://", b"https://")):
        return "it is a list of other files or addresses, and none is followed"
    if text.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself (git lfs pull)"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"{")):
        return "it is a web page or an answer of a server, not sound"
    if head[:4] in (b"PK\3\4", b"Rar!", b"7z\xbc\xaf") or head[:2] == b"\x1f\x8b":
        return "it is an archive; unpack it first"
    if head[:4] == b"MThd":
        return "it is a MIDI file; performers play those on an instrument"
    return ""


def wav_says_too_little(path: Path) -> bool:
    """Whether a WAV file has more sound than its header says: a recorder that ended early, or more than 4 GiB.

    Behind the sound is the file's end or another chunk, whose name is made of letters. Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        size = path.stat().st_size
        at = 12
        for _ in range(_MAX_CHUNKS):
            file.seek(at)
            chunk = file.read(8)
            if len(chunk) < 8:
                return False
            length = int.from_bytes(chunk[4:], "little")
            at += 8 + length + length % 2
            if chunk[:4] == b"data":
                file.seek(at)
                following = file.read(8)
                known = _LETTERS.issuperset(following[:4])
                return 0 < length < size - at and len(following) == 8 and not known
    return False

"""Where the links of a chained Ogg file begin (RFC 3533, section 4): streams one behind the other.

FFmpeg plays on into the next link only if its codec's parameters stay; each other link is opened by itself.
"""

from __future__ import annotations

from typing import BinaryIO

_CAPTURE = b"OggS"
_HEADER_BYTES = 27
_BEGINS_STREAM = 0x02
_CHUNK = 1 << 16


class Part:
    """The rest of a file from `begin` on, as a file of its own; for PyAV to read."""

    def __init__(self, file: BinaryIO, begin: int) -> None:
        self._file = file
        self._begin = begin
        file.seek(begin)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0:
            offset += self._begin
        return self._file.seek(offset, whence) - self._begin


def next_link(file: BinaryIO, at: int) -> int | None:
    """The first page behind the one at `at` that begins a link: it begins a stream, and the page before did not.

    None if there is none. Reads headers only, where no damage makes it look for the next one.
    """
    follows_data = False
    while True:
        file.seek(at)
        header = file.read(_HEADER_BYTES + 255)
        if len(header) < _HEADER_BYTES:
            return None
        if header[:4] != _CAPTURE:
            found = _find(file, at + 1)
            if found is None:
                return None
            at = found
            continue
        begins = bool(header[5] & _BEGINS_STREAM)
        if begins and follows_data:
            return at
        follows_data = not begins
        segments = header[26]
        at += _HEADER_BYTES + segments + sum(header[_HEADER_BYTES : _HEADER_BYTES + segments])


def _find(file: BinaryIO, at: int) -> int | None:
    while True:
        file.seek(at)
        chunk = file.read(_CHUNK)
        if len(chunk) < len(_CAPTURE):
            return None
        found = chunk.find(_CAPTURE)
        if found >= 0:
            return at + found
        at += len(chunk) - len(_CAPTURE) + 1

"""Memory that this process holds and does not need: what the C library keeps, and code that only a start runs."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path

_M_MMAP_THRESHOLD = -3
_MADV_DONTNEED = 4
_MAPPING = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ \d+ +(/.*)\n(?:(?!Anonymous:|VmFlags:).*\n)*Anonymous: +0 kB\n",
    re.MULTILINE,
)
"""In smaps: a file's pages that this process may not write, and has not written (as the loader does, to relocate)."""


def trim() -> bool:
    """Give free memory back to the system. False where the C library has no way to, or there was none.

    Any thread; those that allocate meanwhile wait for some milliseconds. `malloc_trim` (malloc_trim(3), a GNU extension)
    gives back whole pages wherever they lie.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False


def map_blocks_from(size: int) -> None:
    """Have each block of `size` bytes or more in pages of its own, which go back to the system when it is free.

    The C library begins with 128 KB, and raises that with the blocks that are freed, unless it is told once
    (M_MMAP_THRESHOLD, mallopt(3), a GNU extension). Nothing happens where it has no way to be told.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, size)


def let_code_go() -> int:
    """Give up the pages of programs and libraries that this process has run so far; the number of their mappings.

    A start runs much code that is never run again, and the system maps what lies around it, too. The next call of what is
    needed maps its pages again from the system's cache, a microsecond for some at a time: to be called at the end of a
    start, not while sound is made. Linux only; elsewhere nothing happens.

    Pages that the process has written, as those that the loader relocates, are left alone: nothing could bring them back.
    """
    if sys.platform != "linux":
        return 0
    given = 0
    with contextlib.suppress(AttributeError, OSError):
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        mappings = _unwritten()
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            # A library that another thread is loading is not as it will be; it is at most once.
            mappings &= _unwritten()
        for first, end, _ in mappings:
            at = int(first, 16)
            given += not madvise(at, int(end, 16) - at, _MADV_DONTNEED)
    return given


def _unwritten() -> set[tuple[bytes, bytes, bytes]]:
    """First address, end and path of the mappings that match `_MAPPING`."""
    return set(_MAPPING.findall(Path("/proc/self/smaps").read_bytes()))

"""Memory of this process that is free, and that the C library keeps."""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3


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

"""Memory of this process that is free, and that the C library keeps."""

from __future__ import annotations

import ctypes


def trim() -> bool:
    """Give free memory back to the system. False where the C library has no way to, or there was none.

    Any thread; those that allocate meanwhile wait for some milliseconds. `malloc_trim` (malloc_trim(3), a GNU extension)
    gives back whole pages wherever they lie.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False

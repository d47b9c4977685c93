"""AES-GCM for many listeners in one call: Intel's multi-buffer library (``libipsec-mb``), where it is installed.

libsrtp protects one packet a call, which costs a crossing from Python for each listener. The multi-buffer library takes
up to `BURST` packets at once, each with a key of its own, and encrypts one plaintext to many places without a copy. What
comes out is byte for byte what libsrtp makes (RFC 7714; `tests/broadcast/test_multibuffer.py`), which stays the reference,
protects what the library cannot, and takes over where it is missing. Only the version whose structures are written down
here is used, and only after it has made the same packet as libsrtp in this process.

The library's ring of jobs lies in its manager's memory; NumPy sees it as columns. Single-threaded.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

VERSION = 0x010300
"""1.3.0, as Debian 12 has it. The structures of other versions are others."""
LIBRARY = "libIPSec_MB.so.1"
BURST = 128
"""Jobs that one call takes (IMB_MAX_BURST_SIZE)."""
TAG = 16
_RING = 2 * BURST
_GCM, _GMAC, _CTR, _NO_HASH, _ENCRYPT, _CIPHER_HASH = 5, 9, 2, 8, 1, 1
_PRECOMPUTE = {16: 448, 32: 464}
"""Where the manager has its functions: keys for AES-GCM, by the key's length."""
_EXPAND = {16: 112, 32: 128}
"""The same for AES in other modes."""
_NEXT, _SUBMIT, _FLUSH, _JOBS = 952, 960, 976, 1024
_COMPLETED = 3
_JOB_BYTES = 200
_JOB: np.dtype[Any] = np.dtype(
    {
        "names": [
            "enc_keys",
            "dec_keys",
            "key_length",
            "source",
            "target",
            "cipher_start",
            "cipher_length",
            "hash_start",
            "hash_length",
            "iv",
            "iv_length",
            "tag",
            "tag_length",
            "aad",
            "aad_length",
            "status",
            "cipher_mode",
            "direction",
            "hash",
            "order",
        ],
        "formats": ["<u8"] * 15 + ["<i4"] * 5,
        "offsets": [*range(0, 24, 8), *range(24, 120, 8), 128, 132, 136, 140, 144],
        "itemsize": _JOB_BYTES,
    }
)
"""``IMB_JOB``, what of it concerns AES-GCM and AES-CTR."""
_KEY_BYTES = 1008
"""``struct gcm_key_data``, which wants to begin at a multiple of 64."""


def _lines(jobs: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """The same memory as rows of whole words, which are copied at once where columns would be one by one."""
    return jobs.view(np.uint64).reshape(len(jobs), -1)


class Jobs:
    """AES-GCM of `count` packets, as often as they are made: what each job is stays written down.

    keys, ivs: addresses, uint64, of what `MultiBuffer.key` made and of 12 bytes each, to be set by the owner. lines: the
    jobs, a row each.
    """

    def __init__(self, count: int, key_length: int) -> None:
        jobs: npt.NDArray[Any] = np.zeros(count, _JOB)
        self.keys, self.ivs, self.lines = jobs["enc_keys"], jobs["iv"], _lines(jobs)
        self._jobs = jobs
        self._key_length = key_length
        self._count = 0
        """The first so many jobs are prepared, for what follows."""
        self._rows: npt.NDArray[np.uint64] | None = None
        self._source = self._header = self._size = 0

    def prepare(self, count: int, rows: npt.NDArray[np.uint64], source: int, header: int, size: int) -> None:
        """Have the first `count` jobs encrypt `size` bytes at address `source` into a row each, behind a header of `header`
        bytes, which is authenticated with them, and put the tag behind.

        rows: addresses, uint64; never changed in place.
        """
        whole = (
            count > self._count or rows is not self._rows or source != self._source or header != self._header
        )
        if not whole and size == self._size:
            return
        if not whole:
            count = self._count
        jobs = self._jobs[:count]
        if whole:
            # Here and not before: memory that nothing is written to costs nothing.
            jobs["cipher_mode"], jobs["hash"] = _GCM, _GMAC
            jobs["direction"], jobs["order"] = _ENCRYPT, _CIPHER_HASH
            jobs["key_length"], jobs["iv_length"], jobs["tag_length"] = self._key_length, 12, TAG
            jobs["source"], jobs["aad"], jobs["aad_length"] = source, rows[:count], header
            jobs["target"] = rows[:count] + np.uint64(header)
        jobs["tag"] = rows[:count] + np.uint64(header + size)
        jobs["cipher_length"] = jobs["hash_length"] = size
        self._count, self._rows, self._source, self._header, self._size = count, rows, source, header, size


class MultiBuffer:
    """The library with one manager.

    Raises OSError or ValueError where it is missing, another version, or not for this CPU.
    """

    def __init__(self) -> None:
        if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
            raise OSError("libipsec-mb is for Linux on x86-64")
        library = ctypes.CDLL(LIBRARY)
        version = int(library.imb_get_version())
        if version != VERSION:
            raise ValueError(f"libipsec-mb is version {version:#x}, not {VERSION:#x}")
        library.alloc_mb_mgr.restype = ctypes.c_void_p
        library.alloc_mb_mgr.argtypes = (ctypes.c_uint64,)
        library.init_mb_mgr_auto.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        manager = library.alloc_mb_mgr(0)
        if not manager:
            raise OSError("libipsec-mb has no memory")
        library.init_mb_mgr_auto(manager, None)
        self._library = library
        self._manager = int(manager)
        pair = (None, ctypes.c_void_p, ctypes.c_void_p)
        triple = (None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        burst = (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
        self._precompute = {length: self._function(at, *pair) for length, at in _PRECOMPUTE.items()}
        self._expand = {length: self._function(at, *triple) for length, at in _EXPAND.items()}
        self._next, self._submit, self._flush = (
            self._function(at, *burst) for at in (_NEXT, _SUBMIT, _FLUSH)
        )
        ring = (ctypes.c_char * (_RING * _JOB_BYTES)).from_address(manager + _JOBS)
        self._ring = self._manager + _JOBS
        jobs: npt.NDArray[Any] = np.ndarray(_RING, _JOB, memoryview(ring))
        self._jobs = jobs
        self._lines = _lines(jobs)
        self._handles = np.zeros(BURST, np.uint64)
        self._handles_address: int = self._handles.ctypes.data

    def _function(self, at: int, result: Any, *arguments: Any) -> Any:
        address = ctypes.c_uint64.from_address(self._manager + at).value
        if not address:
            raise OSError("libipsec-mb has nothing for this CPU")
        return ctypes.PYFUNCTYPE(result, *arguments)(address)

    def key(self, key: bytes) -> npt.NDArray[np.uint8]:
        """A session key of 16 or 32 bytes as `protect` wants it: its address is that of the array, which has to be kept."""
        memory = np.zeros(_KEY_BYTES + 64, np.uint8)
        start = -memory.ctypes.data % 64
        aligned = memory[start : start + _KEY_BYTES]
        self._precompute[len(key)](key, aligned.ctypes.data)
        return aligned

    def keystream(self, key: bytes, counter: bytes, size: int) -> bytes:
        """AES in counter mode over zeros, from a counter block of 16 bytes: the pseudo-random function of RFC 3711,
        section 4.3.3, and of RFC 6188, section 3, for keys of 32 bytes."""
        # Expanded keys want to begin at a multiple of 16.
        memory = np.zeros(2 * 16 * 16 + 16, np.uint8)
        expanded = memory.ctypes.data + -memory.ctypes.data % 16
        self._expand[len(key)](key, expanded, expanded + 16 * 16)
        zeros, out = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        block = np.frombuffer(counter, np.uint8).copy()
        self._next(self._manager, 1, self._handles_address)
        job = self._jobs[self._at() : self._at() + 1]
        job[:] = np.zeros(1, _JOB)
        job["enc_keys"] = job["dec_keys"] = expanded
        job["key_length"], job["iv"], job["iv_length"] = len(key), block.ctypes.data, len(counter)
        job["source"], job["target"], job["cipher_length"] = zeros.ctypes.data, out.ctypes.data, size
        job["cipher_mode"], job["hash"] = _CTR, _NO_HASH
        job["direction"], job["order"] = _ENCRYPT, _CIPHER_HASH
        if self._run(1):
            raise ValueError("libipsec-mb refuses a key derivation")
        return out.tobytes()

    def protect(self, count: int, jobs: Jobs) -> list[int]:
        """Do the first `count` jobs. Returns those that failed."""
        failed: list[int] = []
        for start in range(0, count, BURST):
            stop = min(start + BURST, count)
            number = stop - start
            if self._next(self._manager, number, self._handles_address) != number:
                failed += range(start, stop)
                continue
            at = self._at()
            # The ring may end within the burst.
            middle = min(start + _RING - at, stop)
            self._lines[at : at + middle - start] = jobs.lines[start:middle]
            if middle < stop:
                self._lines[: stop - middle] = jobs.lines[middle:stop]
            if self._run(number):
                failed += range(start, stop)
        return failed

    def _at(self) -> int:
        """The place in the ring of the first job that has been handed out."""
        first = int(self._handles[0])
        return (first - self._ring) // _JOB_BYTES

    def _run(self, number: int) -> bool:
        """Do the jobs that have been filled. True if that failed."""
        if self._submit(self._manager, number, self._handles_address) == number:
            return False
        while self._flush(self._manager, BURST, self._handles_address):
            pass
        return True

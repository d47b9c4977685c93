"""The rows in which packets are made, one block of listeners at a time. See `rtcserver.broadcast.arena`."""

from __future__ import annotations

import numpy as np

from rtcserver.broadcast.batch import IOVEC
from rtcserver.broadcast.srtp import MAX_TAG, int_pointer, pointer

BLOCK = 1024
"""Slots of a block: one sendmmsg call. The kernel's part evicts ours from the caches, so fewer turns
are cheaper, and the rows of a block still fit a second-level cache."""
HEADER = 12
"""Bytes of an RTP header without extensions (RFC 3550, section 5.1)."""
_ROW_STEP = 64


class Bench:
    """The rows in which one block's packets are made at a time, and pointers to them.

    rows: (`BLOCK`, stride) uint8. lengths: int32, read and written by libsrtp. payload: uint8, what all rows are to hold,
    for those who read it from there, at address `source`.
    """

    def __init__(self) -> None:
        self.lengths = np.zeros(BLOCK, np.int32)
        base = self.lengths.ctypes.data
        self.length_pointers = [int_pointer(base + 4 * slot) for slot in range(BLOCK)]
        self.iovecs = np.zeros(BLOCK, IOVEC)
        self.iov_lengths = self.iovecs["length"]
        self.stride = 0
        self.fit(0)

    def fit(self, payload: int) -> None:
        """Have rows for payloads of `payload` bytes."""
        size = HEADER + payload + MAX_TAG
        if size <= self.stride:
            return
        # Somewhat more, because the length of Opus packets varies.
        self.stride = -(-max(size * 5 // 4, 256) // _ROW_STEP) * _ROW_STEP
        self.rows = np.zeros((BLOCK, self.stride), np.uint8)
        self.payload = np.zeros(self.stride, np.uint8)
        self.source: int = self.payload.ctypes.data
        # The header of RFC 3550, section 5.1, as three big-endian words a row.
        self.words = self.rows[:, :HEADER].view(">u4")
        base = self.rows.ctypes.data
        self.pointers = [pointer(base + slot * self.stride) for slot in range(BLOCK)]
        self.addresses = base + np.arange(BLOCK, dtype=np.uint64) * np.uint64(self.stride)
        self.iovecs["base"] = self.addresses

"""The columns of a block of slots that say how its packets are protected in bursts (`rtcserver.broadcast.multibuffer`).

Here our own arithmetic stands in the place of libsrtp's: an index grows by one with each packet, is never set back, and what
it would be set back to is refused. `rtcserver.broadcast.arena` has the other columns.
"""

from __future__ import annotations

import numpy as np

from rtcserver.broadcast.bench import BLOCK, Bench
from rtcserver.broadcast.multibuffer import TAG, Jobs
from rtcserver.broadcast.session_key import SessionKey, multi_buffer, packet_iv


class BurstColumns:
    """Of a block whose listeners all have AES-GCM keys of `key_length` bytes. Raises ValueError without the library.

    sends: everywhere, how many packets the block has been sent. As in all its columns, a slot's index is kept as the
    difference to that.
    """

    def __init__(self, key_length: int) -> None:
        library = multi_buffer()
        if library is None:
            raise ValueError("there is no multi-buffer library")
        self._library = library
        self._key_length = key_length
        self._index = np.zeros(BLOCK, np.uint64)
        """The next packet's index, 48 bits, less `sends`."""
        self._salt = np.zeros(BLOCK, np.uint64)
        """Of the initialization vectors' last eight bytes, what does not change."""
        ivs = np.zeros((BLOCK, 16), np.uint8)
        self._iv_heads = ivs[:, :4]
        self._iv_tails = ivs[:, 4:12].view(">u8")[:, 0]
        self._jobs = Jobs(BLOCK, key_length)
        self._iv_source: int = ivs.ctypes.data
        self._keys: list[SessionKey | None] = [None] * BLOCK
        self._barred: set[int] = set()
        """Slots of listeners under whose next index something has been protected before: they are sent nothing."""

    def take(self, slot: int, key: SessionKey | None, ssrc: int, index: int, sends: int) -> None:
        """Put a listener into a slot that `release` has freed; index: of its next packet."""
        if key is None or key.length != self._key_length:
            raise ValueError(f"a key of {self._key_length} bytes is wanted")
        self._keys[slot] = key
        self._jobs.keys[slot], self._jobs.ivs[slot] = key.address, self._iv_source + 16 * slot
        self._index[slot] = (index - sends) % (1 << 64)
        iv = packet_iv(key.salt, ssrc, 0)
        self._iv_heads[slot] = iv[:4]
        self._salt[slot] = int.from_bytes(iv[4:].tobytes())
        if index < key.floor:
            self._barred.add(slot)

    def release(self, slot: int, sends: int) -> None:
        """The listener leaves its slot, if there is one: it never goes on under a lower index."""
        key = self._keys[slot]
        if key is not None:
            key.floor = max(key.floor, self.index(slot, sends))
        self._keys[slot] = None
        self._barred.discard(slot)

    def key(self, slot: int) -> SessionKey | None:
        """A listener's key."""
        return self._keys[slot]

    def index(self, slot: int, sends: int) -> int:
        """The next packet's index."""
        return (int(self._index[slot]) + sends) % (1 << 64)

    def protect(self, bench: Bench, count: int, header: int, size: int, sends: int) -> list[int]:
        """Make the packets of the first `count` slots: their headers are in the bench's rows, `header` bytes each, and their
        payload in `Bench.payload`. sends: this one included. Returns the slots that must not be sent.
        """
        index = self._index[:count] + np.uint64(sends - 1)
        np.bitwise_xor(index, self._salt[:count], out=self._iv_tails[:count])
        self._jobs.prepare(count, bench.addresses, bench.source, header, size)
        failed = self._library.protect(count, self._jobs)
        bench.lengths[:count] = bench.iov_lengths[:count] = header + size + TAG
        return sorted({*failed, *self._barred}) if failed or self._barred else failed

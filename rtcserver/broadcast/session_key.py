"""The session key of a listener's SRTP where not libsrtp protects its packets, and whether that is so.

libsrtp derives its own and does not hand it out. What is derived here is the same (RFC 3711, section 4.3; RFC 6188,
section 3; RFC 7714, section 11): `multi_buffer` believes the library only after both have made the same packets.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rtcserver.broadcast.multibuffer import TAG, Jobs, MultiBuffer
from rtcserver.broadcast.srtp import PROTECT, OutboundSrtp, SrtpProfile, int_pointer, pointer

GCM_KEY_BYTES = {SrtpProfile.AEAD_AES_128_GCM: 16, SrtpProfile.AEAD_AES_256_GCM: 32}
"""The profiles that can be protected in bursts, and the bytes of their keys."""
_SALT = 12
_LABEL_KEY, _LABEL_SALT = 0, 2
_HEADER = 12


@dataclass(slots=True, eq=False)
class SessionKey:
    """What protects one listener's RTP with AES-GCM, for its whole life.

    memory: the expanded key, where it stays. length: of the key in bytes. salt: of the session, 12 bytes. floor: the first
    packet index (RFC 3711, section 3.3.1) that nothing has been protected under; below it nothing ever is again.
    """

    memory: npt.NDArray[np.uint8] = field(repr=False)
    length: int
    salt: bytes = field(repr=False)
    floor: int = 0

    @classmethod
    def derive(cls, library: MultiBuffer, profile: SrtpProfile, master: bytes) -> SessionKey:
        """Of an AES-GCM profile, from master key and master salt."""
        length = GCM_KEY_BYTES[profile]
        key, salt = master[:length], master[length:]

        def derived(label: int, size: int) -> bytes:
            # Key derivation rate 0: what is XORed into the salt is the label alone, at its eighth byte of 14.
            block = bytearray(salt.ljust(16, b"\0"))
            block[7] ^= label
            return library.keystream(key, bytes(block), size)

        return cls(library.key(derived(_LABEL_KEY, length)), length, derived(_LABEL_SALT, _SALT))

    @property
    def address(self) -> int:
        """Where the expanded key is."""
        return self.memory.ctypes.data


@functools.cache
def multi_buffer() -> MultiBuffer | None:
    """The multi-buffer library of this process, if it is there and makes what libsrtp makes."""
    try:
        library = MultiBuffer()
        return library if all(_same(library, profile) for profile in GCM_KEY_BYTES) else None
    except (OSError, ValueError, AttributeError):
        return None


def protection(*, bursts: bool) -> str:
    """What protects AES-GCM packets in this process: ``libipsec-mb`` or ``libsrtp``; "" while it has had none to protect.

    bursts: whether the multi-buffer library may.
    """
    if not bursts:
        return "libsrtp"
    if not multi_buffer.cache_info().currsize:
        return ""
    return "libsrtp" if multi_buffer() is None else "libipsec-mb"


def _same(library: MultiBuffer, profile: SrtpProfile) -> bool:
    """Whether both make the same packet."""
    ssrc, sequence = 0x0102_0304, 0x0506
    master = bytes(range(profile.key_length))
    header = bytes((0x80, 111)) + sequence.to_bytes(2) + bytes(4) + ssrc.to_bytes(4)
    sound = np.arange(100, dtype=np.uint8)
    size = _HEADER + len(sound)
    rows = np.zeros((2, size + TAG), np.uint8)
    rows[:, :_HEADER] = np.frombuffer(header, np.uint8)
    rows[0, _HEADER:size] = sound
    length = np.array([size], np.int32)
    session = OutboundSrtp(profile, master, ssrc)
    if PROTECT(session.context, pointer(rows.ctypes.data), int_pointer(length.ctypes.data)):
        return False
    key = SessionKey.derive(library, profile, master)
    iv = np.array([packet_iv(key.salt, ssrc, sequence)])
    row = rows[1]
    jobs = Jobs(1, key.length)
    jobs.keys[0], jobs.ivs[0] = key.address, iv.ctypes.data
    jobs.prepare(1, np.array([row.ctypes.data], np.uint64), sound.ctypes.data, _HEADER, len(sound))
    failed = library.protect(1, jobs)
    return not failed and bool((rows[0] == row).all())


def packet_iv(salt: bytes, ssrc: int, index: int) -> npt.NDArray[np.uint8]:
    """The initialization vector of a packet (RFC 7714, section 8.1), 12 bytes: SSRC and packet index, on the salt."""
    plain = ssrc.to_bytes(6) + index.to_bytes(6)
    return np.frombuffer(salt, np.uint8) ^ np.frombuffer(plain, np.uint8)

"""Outbound SRTP contexts, and libsrtp's protect functions applied in place.

The only module that reaches into `pylibsrtp._binding`; `tests/broadcast/test_srtp.py` is the
contract that fails when that moves. `pylibsrtp.Session.protect` copies each packet twice, which
doubles the cost. cffi releases the GIL during the calls.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pylibsrtp._binding import ffi, lib

MAX_TAG = 16
"""Bytes that SRTP adds to a packet, at most (AES-GCM)."""
MAX_RTCP_TRAILER = 4 + 16
"""Bytes that SRTCP adds, at most: the index and the tag (RFC 3711, section 3.4; RFC 7714, section 9)."""
MAX_FIRST_SEQUENCE = 1 << 15
"""Sequence numbers start below this. A wrap among first packets that are lost (normal while DTLS ends)
would leave the two ends' rollover counters apart for good."""


class SrtpProfile(StrEnum):
    """The protection profiles that are served, by their names in RFC 5764 and RFC 7714."""

    AEAD_AES_128_GCM = "SRTP_AEAD_AES_128_GCM"
    AEAD_AES_256_GCM = "SRTP_AEAD_AES_256_GCM"
    AES128_CM_SHA1_80 = "SRTP_AES128_CM_HMAC_SHA1_80"

    @property
    def key_length(self) -> int:
        """Bytes of master key and master salt together."""
        return _KEY_LENGTH[self]

    @property
    def tag_length(self) -> int:
        """Bytes that protection adds to an RTP packet."""
        return _TAG_LENGTH[self]


_KEY_LENGTH = {
    SrtpProfile.AEAD_AES_128_GCM: 16 + 12,
    SrtpProfile.AEAD_AES_256_GCM: 32 + 12,
    SrtpProfile.AES128_CM_SHA1_80: 16 + 14,
}
_TAG_LENGTH = {
    SrtpProfile.AEAD_AES_128_GCM: 16,
    SrtpProfile.AEAD_AES_256_GCM: 16,
    SrtpProfile.AES128_CM_SHA1_80: 10,
}
_LIBSRTP_PROFILE = {
    SrtpProfile.AEAD_AES_128_GCM: lib.srtp_profile_aead_aes_128_gcm,
    SrtpProfile.AEAD_AES_256_GCM: lib.srtp_profile_aead_aes_256_gcm,
    SrtpProfile.AES128_CM_SHA1_80: lib.srtp_profile_aes128_cm_sha1_80,
}

# The library's initialisation is counted, and pylibsrtp's own import has done it already.
lib.srtp_init()

PROTECT = lib.srtp_protect
"""``srtp_protect(context, packet pointer, length pointer)``: 0, or an error and nothing to send.

The caller must own `MAX_TAG` bytes behind the packet. A second call with an index already used is
refused by libsrtp (`allow_repeat_tx` is off): the AES-GCM keystream must never be reused.
"""


class OutboundSrtp:
    """One listener's SRTP and SRTCP sender state: a single SSRC, for its whole life.

    `context` is the first argument of `PROTECT`; it is valid as long as this object lives.
    Raises ValueError for a key of the wrong length or a context that libsrtp refuses.
    """

    __slots__ = ("_owner", "context", "tag_length")

    def __init__(self, profile: SrtpProfile, master: bytes, ssrc: int) -> None:
        if len(master) != profile.key_length:
            raise ValueError(f"{profile} needs {profile.key_length} bytes of key and salt, not {len(master)}")
        policy = ffi.new("srtp_policy_t *")
        number = _LIBSRTP_PROFILE[profile]
        _check(lib.srtp_crypto_policy_set_from_profile_for_rtp(ffi.addressof(policy.rtp), number))
        _check(lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy.rtcp), number))
        policy.ssrc.type = lib.ssrc_specific
        policy.ssrc.value = ssrc
        policy.window_size = 128
        policy.allow_repeat_tx = 0
        key = ffi.new("unsigned char[]", master)
        policy.key = key
        handle = ffi.new("srtp_t *")
        _check(lib.srtp_create(handle, policy))
        self._owner = ffi.gc(handle, _dealloc)
        self.context: Any = handle[0]
        self.tag_length = profile.tag_length

    def protect_rtcp(self, packet: bytes) -> bytes:
        """The SRTCP form of a compound RTCP packet. Raises ValueError if libsrtp refuses it."""
        buffer = bytearray(packet + bytes(MAX_RTCP_TRAILER))
        length = ffi.new("int *", len(packet))
        _check(lib.srtp_protect_rtcp(self.context, ffi.from_buffer(buffer), length))
        return bytes(buffer[: length[0]])


def pointer(address: int) -> Any:
    """A ``void *`` for `PROTECT`; the caller keeps the memory alive."""
    return ffi.cast("void *", address)


def int_pointer(address: int) -> Any:
    """An ``int *`` for `PROTECT`; the caller keeps the memory alive."""
    return ffi.cast("int *", address)


def _dealloc(handle: Any) -> None:
    lib.srtp_dealloc(handle[0])


def _check(status: int) -> None:
    if status != lib.srtp_err_status_ok:
        raise ValueError(f"libsrtp refuses: status {status}")

"""STUN Binding messages, strictly (RFC 8489), with the ICE attributes of RFC 8445, section 7.1.

Header (RFC 8489, section 5), then attributes, each padded to four bytes::

     0                   1                   2                   3
    |0 0|     type (14)             |      length of what follows   |
    |                    magic cookie 0x2112A442                    |
    |                    transaction id (96 bits)                   |
    |      attribute type           |      attribute length         |
    |                    value, padded to 32 bits                ...

Pure: bytes in, values out. The order of the checks is the cheap one first, because two thousand
listeners check every 2.5 s and a stranger may send anything: lengths, cookie, CRC-32, and only
then the HMAC, which `verify` does when the caller has found whose key applies.
"""

from __future__ import annotations

import hmac
import struct
from binascii import crc32
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

COOKIE = 0x2112A442
HEADER_BYTES = 20
SEAL_BYTES = 32
"""MESSAGE-INTEGRITY and FINGERPRINT, as they end every check."""
MAX_BYTES = 1280
"""Longest message accepted: the smallest IPv6 MTU. Checks are about 100 bytes long."""

BINDING_REQUEST = 0x0001
BINDING_INDICATION = 0x0011
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

_COOKIE_BYTES = COOKIE.to_bytes(4, "big")
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_HEAD = b"\x00\x08\x00\x14"
_FINGERPRINT_HEAD = b"\x80\x28\x00\x04"
_MAX_USERNAME = 513
"""RFC 8489, section 14.3: fewer than 509 bytes; ICE's limit is 256 + 1 + 256 (RFC 8839, 5.4)."""

_U16x2 = struct.Struct("!HH")
_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")
_HEAD = struct.Struct("!HH4s12s")

Address = tuple[str, int]
"""IP address as text and port."""


class StunError(ValueError):
    """The bytes are no well-formed STUN Binding message. The message names the rule that is broken."""


@dataclass(frozen=True, slots=True)
class StunMessage:
    """One parsed message.

    kind: one of the ``BINDING_*`` constants.
    tie_breaker: of ICE-CONTROLLING or ICE-CONTROLLED; `controlling` says which (None: neither).
    unknown: comprehension-required attribute types (below 0x8000) that this codec does not know.
    integrity_at: offset of MESSAGE-INTEGRITY in the datagram, or 0 if it is absent.
    fingerprint: whether a FINGERPRINT was there (a wrong one raises).
    """

    kind: int
    transaction_id: bytes
    username: bytes | None = None
    priority: int | None = None
    use_candidate: bool = False
    controlling: bool | None = None
    tie_breaker: int = 0
    xor_mapped: Address | None = None
    error: tuple[int, str] | None = None
    unknown: tuple[int, ...] = ()
    integrity_at: int = 0
    fingerprint: bool = False


def parse(data: bytes) -> StunMessage:
    """Parse one datagram. Raises `StunError`, and nothing else, on anything that is not strictly STUN."""
    size = len(data)
    if size < HEADER_BYTES or size > MAX_BYTES:
        raise StunError("length outside of 20..1280 bytes")
    kind, length, cookie, transaction_id = _HEAD.unpack_from(data)
    if cookie != _COOKIE_BYTES:
        raise StunError("wrong magic cookie")
    if length != size - HEADER_BYTES or length & 3:
        raise StunError("length field does not match the datagram")
    if kind not in (BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR, BINDING_INDICATION):
        raise StunError("not a Binding message")

    username: bytes | None = None
    priority: int | None = None
    use_candidate = False
    controlling: bool | None = None
    tie_breaker = 0
    xor_mapped: Address | None = None
    error: tuple[int, str] | None = None
    unknown: list[int] = []
    integrity_at = 0
    fingerprint = False
    seen: set[int] = set()

    at = HEADER_BYTES
    while at < size:
        # Attributes are multiples of four bytes and so is the message: four more bytes are there.
        attribute, value_bytes = _U16x2.unpack_from(data, at)
        start = at + 4
        end = start + value_bytes
        if end > size:
            raise StunError("attribute longer than the message")
        if fingerprint:
            raise StunError("attribute after FINGERPRINT")
        if attribute in seen:
            # RFC 8489, section 14: only the first of several counts.
            at = (end + 3) & ~3
            continue
        seen.add(attribute)
        if attribute == FINGERPRINT:
            if value_bytes != 4:
                raise StunError("FINGERPRINT is not 4 bytes")
            if _U32.unpack_from(data, start)[0] != crc32(data[:at]) ^ _FINGERPRINT_XOR:
                raise StunError("wrong FINGERPRINT")
            fingerprint = True
        elif integrity_at:
            pass  # RFC 8489, section 14.5: what follows MESSAGE-INTEGRITY is not protected; ignored
        elif attribute == USERNAME:
            if value_bytes > _MAX_USERNAME:
                raise StunError("USERNAME too long")
            username = data[start:end]
        elif attribute == MESSAGE_INTEGRITY:
            if value_bytes != 20:
                raise StunError("MESSAGE-INTEGRITY is not 20 bytes")
            integrity_at = at
        elif attribute == PRIORITY:
            if value_bytes != 4:
                raise StunError("PRIORITY is not 4 bytes")
            priority = _U32.unpack_from(data, start)[0]
        elif attribute == USE_CANDIDATE:
            if value_bytes:
                raise StunError("USE-CANDIDATE carries a value")
            use_candidate = True
        elif attribute in (ICE_CONTROLLING, ICE_CONTROLLED):
            if value_bytes != 8:
                raise StunError("tie-breaker is not 8 bytes")
            controlling = attribute == ICE_CONTROLLING
            tie_breaker = _U64.unpack_from(data, start)[0]
        elif attribute == XOR_MAPPED_ADDRESS:
            xor_mapped = _read_address(data[start:end], transaction_id)
        elif attribute == ERROR_CODE:
            error = _read_error(data[start:end])
        elif attribute == UNKNOWN_ATTRIBUTES:
            pass
        elif attribute < 0x8000:
            unknown.append(attribute)
        at = (end + 3) & ~3
    return StunMessage(
        kind,
        transaction_id,
        username,
        priority,
        use_candidate,
        controlling,
        tie_breaker,
        xor_mapped,
        error,
        tuple(unknown),
        integrity_at,
        fingerprint,
    )


def verify(data: bytes, message: StunMessage, key: bytes) -> bool:
    """Whether MESSAGE-INTEGRITY is there and right under `key` (RFC 8489, section 14.5).

    The HMAC covers the message up to the attribute, with a length field that ends right after it.
    """
    at = message.integrity_at
    if not at:
        return False
    covered = data[:2] + (at + 24 - HEADER_BYTES).to_bytes(2, "big") + data[4:at]
    return hmac.compare_digest(hmac.digest(key, covered, "sha1"), data[at + 4 : at + 24])


def mapped_address(address: Address) -> bytes | None:
    """XOR-MAPPED-ADDRESS if it does not depend on the transaction id: an IPv4 address's."""
    return None if ":" in address[0] else _address_attribute(address, b"")


def success_head(transaction_id: bytes, body: int) -> bytes:
    """The header of a success response with `body` bytes of attributes, as MESSAGE-INTEGRITY covers it."""
    return _HEAD.pack(BINDING_SUCCESS, body + 24, _COOKIE_BYTES, transaction_id)


def build_success(transaction_id: bytes, mapped: Address, key: bytes) -> bytes:
    """A Binding success response with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY and FINGERPRINT."""
    return _seal(BINDING_SUCCESS, transaction_id, _address_attribute(mapped, transaction_id), key)


def build_error(
    transaction_id: bytes, code: int, reason: str, key: bytes, unknown: tuple[int, ...] = ()
) -> bytes:
    """A Binding error response; `unknown` become UNKNOWN-ATTRIBUTES (with 420)."""
    text = reason.encode()
    body = _attribute(ERROR_CODE, struct.pack("!HBB", 0, code // 100, code % 100) + text)
    if unknown:
        listed = unknown[:32]
        body += _attribute(UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(listed)}H", *listed))
    return _seal(BINDING_ERROR, transaction_id, body, key)


def build_request(
    transaction_id: bytes,
    username: bytes,
    key: bytes,
    *,
    priority: int = 0x6E0001FF,
    use_candidate: bool = False,
    controlling: bool = True,
    tie_breaker: int = 1,
) -> bytes:
    """A connectivity check as a full agent sends it (RFC 8445, section 7.1): for clients and tests."""
    body = _attribute(USERNAME, username) + _attribute(PRIORITY, _U32.pack(priority))
    body += _attribute(ICE_CONTROLLING if controlling else ICE_CONTROLLED, _U64.pack(tie_breaker))
    if use_candidate:
        body += _attribute(USE_CANDIDATE, b"")
    return _seal(BINDING_REQUEST, transaction_id, body, key)


def _attribute(kind: int, value: bytes) -> bytes:
    return _U16x2.pack(kind, len(value)) + value + b"\x00" * (-len(value) % 4)


def _seal(kind: int, transaction_id: bytes, body: bytes, key: bytes) -> bytes:
    """Header, body, MESSAGE-INTEGRITY, FINGERPRINT."""
    signed = _HEAD.pack(kind, len(body) + 24, _COOKIE_BYTES, transaction_id) + body
    return seal(signed, hmac.digest(key, signed, "sha1"))


def seal(signed: bytes, integrity: bytes) -> bytes:
    """A whole message from what MESSAGE-INTEGRITY covers and its value: both, and FINGERPRINT."""
    message = signed[:2] + (len(signed) - HEADER_BYTES + SEAL_BYTES).to_bytes(2, "big") + signed[4:]
    message += _INTEGRITY_HEAD + integrity
    return message + _FINGERPRINT_HEAD + _U32.pack(crc32(message) ^ _FINGERPRINT_XOR)


def unseal(data: bytes) -> tuple[bytes, bytes] | None:
    """What MESSAGE-INTEGRITY covers, and its value, if a message ends with that and a right FINGERPRINT.

    Nothing else is looked at: for a message that equals one that was parsed.
    """
    at = len(data) - SEAL_BYTES
    if at < HEADER_BYTES or data[at : at + 4] != _INTEGRITY_HEAD or data[-8:-4] != _FINGERPRINT_HEAD:
        return None
    if int.from_bytes(data[-4:], "big") != crc32(data[:-8]) ^ _FINGERPRINT_XOR:
        return None
    return data[:2] + (at + 24 - HEADER_BYTES).to_bytes(2, "big") + data[4:at], data[at + 4 : at + 24]


def _address_attribute(address: Address, transaction_id: bytes) -> bytes:
    host, port = address
    xport = port ^ (COOKIE >> 16)
    if ":" in host:
        packed = inet_pton(AF_INET6, host.partition("%")[0])
        mask = _COOKIE_BYTES + transaction_id
        value = (int.from_bytes(packed, "big") ^ int.from_bytes(mask, "big")).to_bytes(16, "big")
        return struct.pack("!HHBBH16s", XOR_MAPPED_ADDRESS, 20, 0, 2, xport, value)
    value4 = int.from_bytes(inet_pton(AF_INET, host), "big") ^ COOKIE
    return struct.pack("!HHBBHI", XOR_MAPPED_ADDRESS, 8, 0, 1, xport, value4)


def _read_address(value: bytes, transaction_id: bytes) -> Address:
    if len(value) == 8 and value[1] == 1:
        mask = _COOKIE_BYTES
        family = AF_INET
    elif len(value) == 20 and value[1] == 2:
        mask = _COOKIE_BYTES + transaction_id
        family = AF_INET6
    else:
        raise StunError("XOR-MAPPED-ADDRESS of unknown family or length")
    port = int.from_bytes(value[2:4], "big") ^ (COOKIE >> 16)
    host = bytes(a ^ b for a, b in zip(value[4:], mask, strict=True))
    return inet_ntop(family, host), port


def _read_error(value: bytes) -> tuple[int, str]:
    if len(value) < 4 or not 3 <= (value[2] & 7) <= 6 or value[3] > 99:
        raise StunError("ERROR-CODE outside of 300..699")
    return (value[2] & 7) * 100 + value[3], value[4:].decode("utf-8", "replace")

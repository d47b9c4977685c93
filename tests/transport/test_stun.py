"""The STUN codec: round trips, RFC 5769's own vectors, strictness, and arbitrary bytes."""

from __future__ import annotations

import contextlib
import struct
from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.transport import stun

KEY = b"VOkJxbRl1RmTxUk/WvJxBt"
TID = bytes(range(12))

RFC5769_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
"""RFC 5769, section 2.1."""

RFC5769_IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
"""RFC 5769, section 2.2."""

RFC5769_IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
"""RFC 5769, section 2.3."""


def with_fingerprint(body: bytes, kind: int = stun.BINDING_REQUEST) -> bytes:
    message = struct.pack("!HHI12s", kind, len(body) + 8, stun.COOKIE, TID) + body
    return message + struct.pack("!HHI", stun.FINGERPRINT, 4, crc32(message) ^ 0x5354554E)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def test_the_request_of_rfc_5769() -> None:
    message = stun.parse(RFC5769_REQUEST)
    assert message.kind == stun.BINDING_REQUEST
    assert message.username == b"evtj:h6vY"
    assert message.priority == 0x6E0001FF
    assert (message.controlling, message.tie_breaker) == (False, 0x932FF9B151263B36)
    assert message.fingerprint
    assert not message.use_candidate
    assert stun.verify(RFC5769_REQUEST, message, KEY)
    assert not stun.verify(RFC5769_REQUEST, message, KEY + b"x")


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (RFC5769_IPV4_RESPONSE, ("192.0.2.1", 32853)),
        (RFC5769_IPV6_RESPONSE, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_the_responses_of_rfc_5769(data: bytes, address: tuple[str, int]) -> None:
    message = stun.parse(data)
    assert message.xor_mapped == address
    assert stun.verify(data, message, KEY)


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 1), ("203.0.113.9", 65535), ("::1", 8080), ("fe80::1%2", 9)]
)
def test_success_round_trip(address: tuple[str, int]) -> None:
    data = stun.build_success(TID, address, KEY)
    message = stun.parse(data)
    assert message.kind == stun.BINDING_SUCCESS
    assert message.xor_mapped == (address[0].partition("%")[0], address[1])
    assert message.transaction_id == TID
    assert stun.verify(data, message, KEY)


def test_error_round_trip() -> None:
    data = stun.build_error(TID, 420, "Unknown Attribute", KEY, (0x7777,))
    message = stun.parse(data)
    assert message.error == (420, "Unknown Attribute")
    assert stun.verify(data, message, KEY)
    assert struct.pack("!HHH", stun.UNKNOWN_ATTRIBUTES, 2, 0x7777) in data


@given(
    username=st.binary(max_size=200),
    key=st.binary(min_size=1, max_size=64),
    priority=st.integers(0, 2**32 - 1),
    nominate=st.booleans(),
    controlling=st.booleans(),
    tie_breaker=st.integers(0, 2**64 - 1),
)
def test_request_round_trip(
    username: bytes, key: bytes, priority: int, nominate: bool, controlling: bool, tie_breaker: int
) -> None:
    data = stun.build_request(
        TID,
        username,
        key,
        priority=priority,
        use_candidate=nominate,
        controlling=controlling,
        tie_breaker=tie_breaker,
    )
    message = stun.parse(data)
    assert message.username == username
    assert message.priority == priority
    assert message.use_candidate is nominate
    assert (message.controlling, message.tie_breaker) == (controlling, tie_breaker)
    assert stun.verify(data, message, key)


def test_every_flipped_bit_is_noticed() -> None:
    good = stun.build_request(TID, b"abcdefghijklmnop:wxyz", KEY, use_candidate=True)
    for position in range(len(good) * 8):
        bad = bytearray(good)
        bad[position // 8] ^= 1 << (position % 8)
        try:
            message = stun.parse(bytes(bad))
        except stun.StunError:
            continue
        assert not (message.fingerprint and stun.verify(bytes(bad), message, KEY)), position


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "20..1280"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(11), "20..1280"),
        (struct.pack("!HHI12s", 1, 1300, stun.COOKIE, TID) + bytes(1300), "20..1280"),
        (struct.pack("!HHI12s", 1, 0, 0x2112A443, TID), "cookie"),
        (struct.pack("!HHI12s", 1, 4, stun.COOKIE, TID), "length field"),
        (struct.pack("!HHI12s", 1, 3, stun.COOKIE, TID) + bytes(3), "length field"),
        (struct.pack("!HHI12s", 3, 0, stun.COOKIE, TID), "not a Binding"),
        (struct.pack("!HHI12sHH", 1, 4, stun.COOKIE, TID, stun.USERNAME, 5), "longer than the message"),
        (with_fingerprint(attribute(stun.USERNAME, bytes(514))), "USERNAME too long"),
        (with_fingerprint(attribute(stun.PRIORITY, bytes(3))), "PRIORITY"),
        (with_fingerprint(attribute(stun.MESSAGE_INTEGRITY, bytes(16))), "MESSAGE-INTEGRITY"),
        (with_fingerprint(attribute(stun.USE_CANDIDATE, bytes(4))), "USE-CANDIDATE"),
        (with_fingerprint(attribute(stun.ICE_CONTROLLING, bytes(4))), "tie-breaker"),
        (with_fingerprint(attribute(stun.XOR_MAPPED_ADDRESS, b"\x00\x03" + bytes(6))), "XOR-MAPPED"),
        (with_fingerprint(attribute(stun.ERROR_CODE, b"\x00\x00\x02\x00")), "ERROR-CODE"),
        (with_fingerprint(b"")[:-1] + b"\x00", "wrong FINGERPRINT"),
    ],
)
def test_strictness(data: bytes, rule: str) -> None:
    with pytest.raises(stun.StunError, match=rule):
        stun.parse(data)


def test_nothing_may_follow_the_fingerprint() -> None:
    inner = attribute(stun.FINGERPRINT, b"")
    head = struct.pack("!HHI12s", 1, 8 + len(inner), stun.COOKIE, TID)
    data = head + struct.pack("!HHI", stun.FINGERPRINT, 4, crc32(head) ^ 0x5354554E) + inner
    with pytest.raises(stun.StunError, match="after FINGERPRINT"):
        stun.parse(data)


def test_what_follows_the_integrity_is_ignored() -> None:
    """RFC 8489, section 14.5: USE-CANDIDATE appended behind the HMAC must not nominate."""
    body = attribute(stun.USERNAME, b"a:b")
    head = struct.pack("!HHI12s", 1, len(body) + 24, stun.COOKIE, TID) + body
    import hmac

    signed = attribute(stun.MESSAGE_INTEGRITY, hmac.digest(KEY, head, "sha1"))
    data = with_fingerprint(body + signed + attribute(stun.USE_CANDIDATE, b""))
    message = stun.parse(data)
    assert stun.verify(data, message, KEY)
    assert not message.use_candidate


def test_unknown_attributes_are_reported_only_if_they_must_be_understood() -> None:
    message = stun.parse(with_fingerprint(attribute(0x7F01, b"abc") + attribute(0xC057, b"abcd")))
    assert message.unknown == (0x7F01,)


@given(st.binary(max_size=1400))
def test_arbitrary_bytes_raise_only_stun_errors(data: bytes) -> None:
    with contextlib.suppress(stun.StunError):
        stun.parse(data)


@given(st.binary(max_size=200).map(lambda b: b + bytes(-len(b) % 4)), st.sampled_from([0x001, 0x101, 0x111]))
def test_arbitrary_attributes_raise_only_stun_errors(body: bytes, kind: int) -> None:
    for data in (
        struct.pack("!HHI12s", kind, len(body), stun.COOKIE, TID) + body,
        with_fingerprint(body, kind),
    ):
        try:
            message = stun.parse(data)
        except stun.StunError:
            continue
        assert not stun.verify(data, message, KEY)

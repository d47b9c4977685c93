"""The first byte decides (RFC 7983), the second one between RTP and RTCP (RFC 5761)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.transport.demux import Kind, classify


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.UNKNOWN),
        (b"\x00\x01", Kind.STUN),
        (b"\x03", Kind.STUN),
        (b"\x04", Kind.UNKNOWN),
        (b"\x10", Kind.UNKNOWN),
        (b"\x13", Kind.UNKNOWN),
        (b"\x14", Kind.DTLS),
        (b"\x16\xfe\xfd", Kind.DTLS),
        (b"\x3f", Kind.DTLS),
        (b"\x40", Kind.UNKNOWN),
        (b"\x7f", Kind.UNKNOWN),
        (b"\x80", Kind.UNKNOWN),
        (b"\x80\x6f", Kind.RTP),
        (b"\x80\xef", Kind.RTP),
        (b"\x80\xbf", Kind.RTP),
        (b"\x80\xc0", Kind.RTCP),
        (b"\x81\xc9", Kind.RTCP),
        (b"\xbf\xdf", Kind.RTCP),
        (b"\xbf\xe0", Kind.RTP),
        (b"\xc0\xc9", Kind.UNKNOWN),
        (b"\xff\xff", Kind.UNKNOWN),
    ],
)
def test_boundaries(data: bytes, kind: Kind) -> None:
    assert classify(data) is kind


@given(st.binary(max_size=40))
def test_total(data: bytes) -> None:
    assert isinstance(classify(data), Kind)

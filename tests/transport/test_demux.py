"""The first byte decides (RFC 7983), the second one between RTP and RTCP (RFC 5761)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.transport.demux import DatagramKind, classify


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", DatagramKind.UNKNOWN),
        (b"\x00\x01", DatagramKind.STUN),
        (b"\x03", DatagramKind.STUN),
        (b"\x04", DatagramKind.UNKNOWN),
        (b"\x10", DatagramKind.UNKNOWN),
        (b"\x13", DatagramKind.UNKNOWN),
        (b"\x14", DatagramKind.DTLS),
        (b"\x16\xfe\xfd", DatagramKind.DTLS),
        (b"\x3f", DatagramKind.DTLS),
        (b"\x40", DatagramKind.UNKNOWN),
        (b"\x7f", DatagramKind.UNKNOWN),
        (b"\x80", DatagramKind.UNKNOWN),
        (b"\x80\x6f", DatagramKind.RTP),
        (b"\x80\xef", DatagramKind.RTP),
        (b"\x80\xbf", DatagramKind.RTP),
        (b"\x80\xc0", DatagramKind.RTCP),
        (b"\x81\xc9", DatagramKind.RTCP),
        (b"\xbf\xdf", DatagramKind.RTCP),
        (b"\xbf\xe0", DatagramKind.RTP),
        (b"\xc0\xc9", DatagramKind.UNKNOWN),
        (b"\xff\xff", DatagramKind.UNKNOWN),
    ],
)
def test_boundaries(data: bytes, kind: DatagramKind) -> None:
    assert classify(data) is kind


@given(st.binary(max_size=40))
def test_total(data: bytes) -> None:
    assert isinstance(classify(data), DatagramKind)

"""Trickle fragments: candidates with their mid, credentials, and nothing but PeerError for the rest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.errors import PeerError
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.sdp.lines import SdpLimits

FRAGMENT = (
    "a=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "m=audio 9 RTP/AVP 0\r\n"
    "a=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"
    "a=candidate:3471623853 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n"
    "a=end-of-candidates\r\n"
)


def test_the_fragment_of_rfc_8840() -> None:
    fragment = parse_sdpfrag(FRAGMENT)
    assert (fragment.ice_ufrag, fragment.ice_pwd) == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert [(c.mid, c.protocol, c.port) for c in fragment.candidates] == [
        ("0", "udp", 61764),
        ("0", "tcp", 9),
    ]
    assert fragment.complete


def test_candidates_are_bounded() -> None:
    line = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"
    assert len(parse_sdpfrag(FRAGMENT + line * 500).candidates) == 64
    assert len(parse_sdpfrag(FRAGMENT + line * 500, SdpLimits(candidates=3)).candidates) == 3


def test_m_lines_are_bounded() -> None:
    text = FRAGMENT + "m=audio 9 RTP/AVP 0\r\n" * 2
    assert parse_sdpfrag(text, SdpLimits(media_lines=3)).complete
    with pytest.raises(PeerError, match="more than 2 m-lines") as caught:
        parse_sdpfrag(text, SdpLimits(media_lines=2))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a=ice-ufrag:a b c d\r\n",
        "a=ice-pwd:x\r\n",
        FRAGMENT + "a=ice-ufrag:other\r\n",
        "m=audio\r\n" * 40,
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(PeerError) as caught:
        parse_sdpfrag(text)
    assert caught.value.status == 400


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=100), st.integers(0, len(FRAGMENT)))
def test_any_text_is_accepted_or_refused(text: str, at: int) -> None:
    for candidate in (text, FRAGMENT[:at] + text + FRAGMENT[at:]):
        status = 400
        try:
            parse_sdpfrag(candidate)
        except PeerError as error:
            status = error.status
        assert status == 400

"""The load generator's SDP against what servers accept and write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rtcserver.load import sdp
from rtcserver.load.sdp import Local
from rtcserver.sdp.offer import check_offer

FINGERPRINT = ":".join(["AB"] * 32)
LOCAL = Local("ufrag123", "p" * 24, FINGERPRINT, "127.0.0.1", 4000)
JANUS = "\r\n".join(
    [
        "v=0",
        "a=group:BUNDLE a d",
        f"a=fingerprint:sha-256 {FINGERPRINT.lower()}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 96",
        "a=mid:a",
        "a=ice-ufrag:them",
        "a=ice-pwd:secret",
        "a=candidate:1 1 udp 2015363327 fe80::1 5000 typ host",
        "a=candidate:2 1 tcp 2015363327 10.0.0.1 9 typ host tcptype active",
        "a=candidate:3 1 UDP 2015363327 10.0.0.1 5001 typ host",
        "a=candidate:4 1 udp 2015363327 name.local 5002 typ host",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:d",
        "",
    ]
)


@pytest.mark.parametrize("datachannel", [False, True])
def test_the_offer_is_one_that_our_server_takes(datachannel: bool) -> None:
    local = Local("ufrag123", "p" * 24, FINGERPRINT, "127.0.0.1", 4000, datachannel)
    summary = check_offer(sdp.offer(local))
    assert (summary.ice_ufrag, summary.ice_pwd) == ("ufrag123", "p" * 24)
    assert summary.fingerprints == (("sha-256", FINGERPRINT),)
    assert summary.has_datachannel is datachannel
    assert summary.payload_type == sdp.PAYLOAD_TYPE
    assert [(c.address, c.port) for c in summary.candidates] == [("127.0.0.1", 4000)]


def test_an_offer_with_red_is_answered_with_red() -> None:
    summary = check_offer(sdp.offer(replace(LOCAL, red=True)))
    assert summary.red_payload_type == sdp.RED_PAYLOAD_TYPE
    assert summary.payload_type == sdp.PAYLOAD_TYPE
    assert check_offer(sdp.offer(LOCAL)).red_payload_type is None


def test_of_the_servers_sdp_usable_candidates_are_kept_in_order() -> None:
    remote = sdp.parse(JANUS)
    assert (remote.ufrag, remote.password, remote.fingerprint) == ("them", "secret", FINGERPRINT)
    assert remote.candidates == (("fe80::1", 5000), ("10.0.0.1", 5001))
    assert remote.destination("10.0.0.1") == ("10.0.0.1", 5001)
    assert remote.destination("192.0.2.1") == ("fe80::1", 5000)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="ice-pwd"):
        sdp.parse(JANUS.replace("a=ice-pwd:secret\r\n", ""))
    with pytest.raises(ValueError, match="no usable candidate"):
        sdp.Remote("u", "p", FINGERPRINT, ()).destination("127.0.0.1")


def test_an_offer_without_a_format_is_named() -> None:
    """Found by script/fuzz."""
    with pytest.raises(ValueError, match="no format"):
        sdp.answer(LOCAL, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF\r\n")


def test_an_answer_takes_every_m_line_of_the_offer() -> None:
    lines = sdp.answer(LOCAL, JANUS).split("\r\n")
    assert [line.split()[0] for line in lines if line.startswith("m=")] == ["m=audio", "m=application"]
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 96" in lines
    assert [line for line in lines if line.startswith("a=mid:")] == ["a=mid:a", "a=mid:d"]
    assert lines.count("a=setup:active") == 2

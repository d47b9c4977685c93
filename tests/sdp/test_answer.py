"""Answers to the offers of real clients: order, rejection, BUNDLE, Opus, ICE-lite, candidates."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from aiortc.sdp import SessionDescription

from rtcserver.sdp.answer import (
    AnswerStream,
    AnswerTransport,
    build_answer,
    build_restart_fragment,
    served_lines,
)
from rtcserver.sdp.capture_time import CAPTURE_TIME, capture_time_id
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.sdp.offer import OfferSummary, check_offer
from rtcserver.transport.candidates import HostCandidate
from tests.sdp.offers import NAMES, changed, join, load, small

CANDIDATES = [HostCandidate(ip_address(text), 8080, n) for n, text in enumerate(("192.0.2.9", "2001:db8::9"))]
TRANSPORT = AnswerTransport("u" * 20, "p" * 24, ":".join(["CD"] * 32), CANDIDATES)
STREAM = AnswerStream(0xDEADBEEF, "cname", "stream", "track", 10)


def answer_to(offer: OfferSummary, transport: AnswerTransport = TRANSPORT, frame_ms: float = 10) -> str:
    return build_answer(offer, transport, AnswerStream(1, "c", "s", "t", frame_ms), 7)


def sections(sdp: str) -> list[list[str]]:
    """Session part, then the m-lines' parts."""
    parts: list[list[str]] = [[]]
    for line in sdp.split("\r\n"):
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


@pytest.mark.parametrize("name", NAMES)
def test_every_real_offer_gets_a_whole_answer(name: str) -> None:
    offer = check_offer(load(name))
    text = build_answer(offer, TRANSPORT, STREAM, 7)
    session, *media = sections(text)
    assert "a=ice-lite" in session
    assert len(media) == len(offer.media)
    served = {line.index for line in served_lines(offer)}
    for line, part in zip(offer.media, media, strict=True):
        kind, port, protocol, *_ = part[0].removeprefix("m=").split(" ")
        assert (kind, protocol) == (line.kind, line.protocol)
        assert f"a=mid:{line.mid}" in part or not line.mid
        assert (port != "0") == (line.index in served)
        for needed in ("a=setup:passive", "a=ice-ufrag:" + "u" * 20, "a=ice-pwd:" + "p" * 24):
            assert (needed in part) == (line.index in served)
        assert (f"a=fingerprint:sha-256 {TRANSPORT.fingerprint}" in part) == (line.index in served)
    bundles = [line for line in session if line.startswith("a=group:")]
    if offer.bundle:
        mids = [line.mid for line in served_lines(offer)]
        assert bundles == [f"a=group:BUNDLE {' '.join(mids)}"]
    else:
        assert bundles == []


@pytest.mark.parametrize("name", NAMES)
def test_the_audio_of_every_answer(name: str) -> None:
    offer = check_offer(load(name))
    part = sections(build_answer(offer, TRANSPORT, STREAM, 7))[1 + offer.audio_index]
    pt = offer.payload_type
    assert part[0].endswith(f" {pt}")
    assert part[0].split(" ")[1] == "8080"
    assert "a=sendonly" in part
    assert "a=rtcp-mux" in part
    assert f"a=rtpmap:{pt} opus/48000/2" in part
    assert f"a=rtcp-fb:{pt} nack" in part
    fmtp = next(line for line in part if line.startswith(f"a=fmtp:{pt} "))
    assert {"stereo=1", "sprop-stereo=1"} <= set(fmtp.split(" ")[1].split(";"))
    assert "a=ptime:10" in part
    assert "a=msid:stream track" in part
    assert f"a=ssrc:{0xDEADBEEF} cname:cname" in part
    assert not any(line.startswith("a=extmap:") for line in part)


@pytest.mark.parametrize("name", NAMES)
def test_red_is_answered_where_it_is_offered_and_wanted(name: str) -> None:
    offer = check_offer(load(name))
    red, opus = offer.red_payload_type, offer.payload_type
    assert (red is not None) == name.startswith("chromium")
    wanted = sections(build_answer(offer, TRANSPORT, replace(STREAM, redundant=True), 7))[
        1 + offer.audio_index
    ]
    plain = sections(build_answer(offer, TRANSPORT, STREAM, 7))[1 + offer.audio_index]
    if red is not None:
        assert wanted[0] == f"{plain[0]} {red}"
        assert f"a=rtpmap:{red} red/48000/2" in wanted
        assert f"a=fmtp:{red} {opus}/{opus}" in wanted
    else:
        assert wanted == plain
    assert not any("red/" in line for line in plain)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=fmtp:63 111/111", "a=fmtp:63 0/0"),  # redundancy of another codec
        ("a=fmtp:63 111/111", "a=fmtp:63 111/0"),
        ("a=fmtp:63 111/111", "a=x-nothing"),
        ("red/48000/2", "red/8000"),
        ("red/48000/2", "red/48000"),
        ("63", "72"),  # would be taken for RTCP (RFC 5761, section 4)
    ],
)
def test_red_around_something_else_is_no_red_for_us(old: str, new: str) -> None:
    assert check_offer(small()).red_payload_type == 63
    assert check_offer(changed(old, new)).red_payload_type is None


@pytest.mark.parametrize("name", NAMES)
def test_candidates_are_on_the_tagged_line_only_and_complete(name: str) -> None:
    offer = check_offer(load(name))
    media = sections(build_answer(offer, TRANSPORT, STREAM, 7))[1:]
    tagged = served_lines(offer)[0].index
    for index, part in enumerate(media):
        found = [line for line in part if line.startswith("a=candidate:")]
        assert found == ([f"a={c.line}" for c in CANDIDATES] if index == tagged else [])
        assert ("a=end-of-candidates" in part) == (index == tagged)


@pytest.mark.parametrize("name", NAMES)
def test_aiortc_understands_every_answer(name: str) -> None:
    offer = check_offer(load(name))
    parsed = SessionDescription.parse(build_answer(offer, TRANSPORT, STREAM, 7))
    audio = parsed.media[offer.audio_index]
    assert audio.dtls is not None
    assert audio.dtls.role == "server"
    assert audio.ice.iceLite
    assert [c.payloadType for c in audio.rtp.codecs] == [offer.payload_type]
    assert audio.direction == "sendonly"
    if offer.data_index is not None:
        assert parsed.media[offer.data_index].sctpCapabilities.maxMessageSize == 65536


def test_the_default_destination_is_the_first_candidate() -> None:
    offer = check_offer(small())
    assert "c=IN IP4 192.0.2.9" in answer_to(offer)
    six = AnswerTransport("u", "p", "f", CANDIDATES[1:])
    assert "c=IN IP6 2001:db8::9" in answer_to(offer, six)
    none = AnswerTransport("u", "p", "f", [])
    assert "m=audio 9 " in answer_to(offer, none)
    assert "a=end-of-candidates" in answer_to(offer, none)


@pytest.mark.parametrize(("frame_ms", "ptime"), [(2.5, 3), (5, 5), (10, 10), (20, 20)])
def test_ptime_is_whole_milliseconds(frame_ms: float, ptime: int) -> None:
    assert f"a=ptime:{ptime}\r\n" in answer_to(check_offer(small()), frame_ms=frame_ms)


def test_an_old_data_channel_line_is_answered_in_kind() -> None:
    old = changed("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5001")
    text = answer_to(check_offer(old))
    assert "m=application 8080 DTLS/SCTP 5000\r\n" in text
    assert "a=sctpmap:5000 webrtc-datachannel 256\r\n" in text


def test_rejected_video_before_the_audio_keeps_the_order() -> None:
    video = join(("m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:v", "a=rtpmap:96 VP8/90000"))
    offer = check_offer(small().replace("m=audio", video + "m=audio").replace("BUNDLE 0 1", "BUNDLE v 0 1"))
    session, first, *_ = sections(answer_to(offer))
    # pion takes the format 0, and no payload type without its a=rtpmap.
    assert first[0] == "m=video 0 UDP/TLS/RTP/SAVPF 0"
    assert "a=group:BUNDLE 0 1" in session


def test_lines_end_in_crlf_and_hold_nothing_of_the_client_but_mids_and_formats() -> None:
    text = answer_to(check_offer(small()))
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert "c7hm" not in text


def test_the_restart_fragment_is_one_that_we_could_read() -> None:
    offer = check_offer(small())
    fragment = parse_sdpfrag(build_restart_fragment(offer, TRANSPORT))
    assert (fragment.ice_ufrag, fragment.ice_pwd) == (TRANSPORT.ufrag, TRANSPORT.password)
    assert fragment.complete
    assert [c.address for c in fragment.candidates] == ["192.0.2.9", "2001:db8::9"]


def test_a_rejected_data_channel_keeps_its_format() -> None:
    outside = small().replace("BUNDLE 0 1", "BUNDLE 0").replace("m=application 9", "m=application 0")
    *_, data = sections(answer_to(check_offer(outside)))
    assert data[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"


def test_an_offer_without_mids_gets_an_answer_without() -> None:
    offer = check_offer(
        small().partition("m=application")[0].replace("a=mid:0\r\n", "").replace("a=group:BUNDLE 0 1\r\n", "")
    )
    text = answer_to(offer)
    assert "a=mid" not in text
    assert "a=group" not in text
    assert "a=candidate" in text
    assert "a=mid" not in build_restart_fragment(offer, TRANSPORT)


@pytest.mark.parametrize("name", NAMES)
def test_only_chromium_is_told_of_the_time_of_capture_without_having_asked(name: str) -> None:
    offer = check_offer(load(name))
    number = capture_time_id(offer)
    assert (number != 0) == name.startswith("chromium")
    part = sections(build_answer(offer, TRANSPORT, replace(STREAM, capture_id=number), 7))[
        1 + offer.audio_index
    ]
    lines = [line for line in part if line.startswith("a=extmap:")]
    assert lines == ([f"a=extmap:{number} {CAPTURE_TIME}"] if number else [])
    assert number not in {extension.id for line in offer.media for extension in line.extmap}


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (f"a=extmap:7 {CAPTURE_TIME}", 7),
        (f"a=extmap:7/recvonly {CAPTURE_TIME}", 7),
        (f"a=extmap:7/sendonly {CAPTURE_TIME}", 0),
        (f"a=extmap:20 {CAPTURE_TIME}", 0),
    ],
)
def test_the_time_of_capture_has_the_id_that_it_was_offered_with(line: str, number: int) -> None:
    offer = check_offer(changed("a=recvonly", f"{line}\r\na=recvonly"))
    assert capture_time_id(offer) == number


def test_without_a_free_id_the_time_of_capture_is_left_out() -> None:
    lines = "".join(f"a=extmap:{number} urn:example:{number}\r\n" for number in range(1, 15))
    text = load("chromium")
    offer = check_offer(text.replace("a=recvonly\r\n", f"{lines}a=recvonly\r\n"))
    assert capture_time_id(check_offer(text)) == 14
    assert capture_time_id(offer) == 0

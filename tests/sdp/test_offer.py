"""Offers of real clients are understood; hostile ones end in a sentence and a status, nothing else."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.errors import PeerError
from rtcserver.sdp.lines import SdpLimits
from rtcserver.sdp.offer import OfferSummary, check_offer
from tests.sdp import offers
from tests.sdp.offers import AUDIO, DATA, FINGERPRINT, SESSION, changed, join, load, small, without

EXPECTED = {
    # name: (opus payload type, red, stereo asked, data channel, kinds of m-lines)
    "aiortc": (96, None, False, False, ["audio"]),
    "aiortc-datachannel": (96, None, False, True, ["audio", "application"]),
    "blanks-in-fmtp": (111, None, False, False, ["audio"]),
    "blanks-in-m-line": (111, None, False, False, ["audio"]),
    "chromium": (111, 63, False, False, ["audio"]),
    "chromium-stereo": (111, 63, True, False, ["audio"]),
    "chromium-datachannel": (111, 63, True, True, ["audio", "application"]),
    "chromium-video": (111, 63, False, False, ["video", "audio"]),
    "chromium-max-bundle": (111, 63, False, True, ["video", "audio", "application"]),
    "firefox": (109, None, True, False, ["audio"]),
    "firefox-datachannel": (109, None, True, True, ["audio", "application"]),
    "firefox-video": (109, None, True, False, ["video", "audio"]),
    "firefox-max-bundle": (109, None, True, True, ["video", "audio", "application"]),
    "gstreamer": (96, None, False, False, ["video", "audio"]),
    "gstreamer-nobundle": (97, None, False, False, ["audio"]),
    "gstreamer-without-channels": (96, None, False, False, ["audio"]),
    "ice-pwd-base64": (111, None, False, False, ["audio"]),
    "mediamtx": (111, None, True, False, ["video", "audio"]),
}


def only_opus() -> str:
    """`small` without the telephone's codec."""
    return changed("SAVPF 111 63 0", "SAVPF 111 63")


def refused(text: str) -> PeerError:
    with pytest.raises(PeerError) as caught:
        check_offer(text)
    assert str(caught.value).endswith((".", ")."))
    return caught.value


def test_every_vector_has_an_expectation() -> None:
    assert sorted(EXPECTED) == offers.NAMES


@pytest.mark.parametrize("name", offers.NAMES)
def test_offer_of_a_real_client(name: str) -> None:
    offer = check_offer(load(name))
    opus, red, stereo, data, kinds = EXPECTED[name]
    chosen = offer.audio.codec(opus)
    assert (offer.codec, offer.payload_type) == ("opus/48000/2", opus)
    assert chosen is not None
    assert (chosen.fmtp.get("stereo") == "1") is stereo
    # RED stays among the formats that were read, with what it wraps (RFC 2198).
    wraps = {c.payload_type: list(c.fmtp) for c in offer.audio.codecs if c.name == "red"}
    assert wraps == ({} if red is None else {red: [f"{opus}/{opus}"]})
    assert offer.has_datachannel is data
    assert [line.kind for line in offer.media] == kinds
    assert offer.audio.direction == "recvonly"
    assert offer.setup == "actpass"
    assert any(algorithm == "sha-256" for algorithm, _ in offer.fingerprints)
    assert f"a=ice-ufrag:{offer.ice_ufrag}\r\n" in load(name)
    assert f"a=ice-pwd:{offer.ice_pwd}\r\n" in load(name)
    assert offer.audio.mid in offer.bundle or not offer.bundle
    assert not offer.ice_lite


@pytest.mark.parametrize("name", offers.NAMES)
def test_line_ends_do_not_matter(name: str) -> None:
    assert check_offer(load(name).replace("\r\n", "\n")) == check_offer(load(name))


def test_all_that_an_answer_needs() -> None:
    offer = check_offer(small())
    assert offer.bundle == ("0", "1")
    assert (offer.audio_index, offer.data_index) == (0, 1)
    assert offer.audio.payloads == (111, 63, 0)
    assert [(c.payload_type, c.name, c.clock_hz, c.channels) for c in offer.audio.codecs] == [
        (111, "opus", 48000, 2),
        (63, "red", 48000, 2),
        (0, "PCMU", 8000, 1),
    ]
    assert offer.audio.codecs[0].fmtp == {"minptime": "10", "stereo": "1"}
    assert offer.rtcp_fb == ("nack", "transport-cc")
    assert offer.audio.rtcp_fb == (("111", "transport-cc"), ("*", "nack"))
    assert [(e.id, e.uri) for e in offer.extmap] == [(4, "urn:ietf:params:rtp-hdrext:sdes:mid")]
    assert offer.fingerprints == (("sha-256", FINGERPRINT),)
    assert [(c.address, c.port, c.protocol, c.type) for c in offer.candidates] == [
        ("192.0.2.7", 57706, "udp", "host")
    ]
    assert (offer.sctp_port, offer.max_message_size) == (5001, 262144)
    assert offer.data is offer.media[1]
    assert not offer.end_of_candidates
    assert not offer.trickle


def test_details_of_the_captured_ones() -> None:
    chromium = check_offer(load("chromium-datachannel"))
    assert chromium.trickle
    assert chromium.extmap_allow_mixed
    assert len(chromium.candidates) == 4
    assert all(c.address.endswith(".local") for c in chromium.candidates)
    firefox = check_offer(load("firefox-max-bundle"))
    assert firefox.audio.bundle_only
    assert firefox.audio.port == 0
    assert firefox.end_of_candidates
    assert firefox.extmap_allow_mixed
    assert firefox.max_message_size == 1073741823
    assert {c.protocol for c in firefox.candidates} == {"udp", "tcp"}
    assert check_offer(load("aiortc")).fingerprints[2][0] == "sha-512"
    assert check_offer(load("mediamtx")).rtcp_fb == ("transport-cc",)


def test_session_level_parameters_reach_every_m_line() -> None:
    session = (*SESSION, *AUDIO[3:7])
    text = join(session, AUDIO[:3] + AUDIO[7:], DATA[:1] + DATA[5:])
    offer = check_offer(text)
    assert (offer.ice_ufrag, offer.setup) == ("c7hm", "actpass")
    assert offer.media[1].ice_pwd == offer.ice_pwd


def test_bundle_only_audio_takes_the_transport_of_the_first_m_line() -> None:
    video = ("m=video 9 UDP/TLS/RTP/SAVPF 96", *AUDIO[2:7], "a=mid:v", "a=rtcp-mux", "a=rtpmap:96 VP8/90000")
    audio = ("m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=bundle-only", "a=mid:0", "a=rtpmap:111 opus/48000/2")
    offer = check_offer(join((*SESSION[:4], "a=group:BUNDLE v 0"), video, audio))
    assert offer.audio_index == 1
    assert offer.ice_ufrag == "c7hm"
    assert len(offer.candidates) == 1


def test_the_accepted_m_line_decides_over_a_rejected_one_with_other_credentials() -> None:
    video = (
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=ice-ufrag:other",
        "a=ice-pwd:0123456789012345678901",
        "a=mid:v",
    )
    offer = check_offer(join((*SESSION[:4], "a=group:BUNDLE v 0"), video, AUDIO))
    assert offer.ice_ufrag == "c7hm"


def test_a_later_audio_m_line_serves_when_the_first_cannot() -> None:
    first = ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:x", "a=recvonly")
    offer = check_offer(join(SESSION, first, AUDIO, DATA))
    assert offer.audio_index == 1


def test_repeated_payload_types_and_unknown_lines_do_no_harm() -> None:
    text = changed("111 63 0", "111 111 63 0").replace(
        "a=rtcp-mux", "a=rtcp-mux\r\na=future:x y z\r\nb=AS:30"
    )
    assert [c.payload_type for c in check_offer(text).audio.codecs] == [111, 63, 0]


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("", 400, "malformed_sdp"),
        ("\r\n\r\n", 400, "malformed_sdp"),
        ("hello", 400, "malformed_sdp"),
        ('{"type": "offer"}', 400, "malformed_sdp"),
        ("v=1\r\n", 400, "malformed_sdp"),
        ("v=0\r\n", 422, "no_audio"),
        ("o=-\r\nv=0\r\n", 400, "malformed_sdp"),
        (small() + "\x00", 400, "malformed_sdp"),
        (small().replace("\r\n", "\r"), 400, "malformed_sdp"),
        (small() + "a=x:\u2028a=y", 400, "malformed_sdp"),
        (small() + "a=x:" + "y" * 5000, 400, "malformed_sdp"),
        (small() + "a=x\r\n" * 2000, 400, "malformed_sdp"),
        (small() + "m=audio 0 RTP/AVP 0\r\n" * 31, 400, "malformed_sdp"),
        (changed("m=audio 9 ", "m=audio nine "), 400, "malformed_sdp"),
        (changed("m=audio 9 ", "m=audio 99999 "), 400, "malformed_sdp"),
        (changed("SAVPF 111 63 0", "SAVPF 111 63 300"), 400, "malformed_sdp"),
        (changed("SAVPF 111 63 0", "SAVPF 111 63 ١"), 400, "malformed_sdp"),
        (changed("a=rtpmap:111 opus/48000/2", "a=rtpmap:111 opus"), 400, "malformed_sdp"),
        (changed("a=rtcp-fb:111", "a=rtcp-fb:x"), 400, "malformed_sdp"),
        (changed("a=extmap:4 ", "a=extmap:"), 400, "malformed_sdp"),
        (changed("a=mid:1", "a=mid:0"), 400, "malformed_sdp"),
        (changed("a=mid:0", "a=mid:0 0"), 400, "malformed_sdp"),
        (without("a=mid:0").replace("BUNDLE 0 1", "BUNDLE 1"), 400, "malformed_sdp"),
        (without("a=ice-ufrag"), 400, "malformed_sdp"),
        (without("a=ice-pwd"), 400, "malformed_sdp"),
        (without("a=setup"), 400, "malformed_sdp"),
        (changed("a=ice-ufrag:c7hm", "a=ice-ufrag:abc"), 400, "malformed_sdp"),
        (changed("a=ice-ufrag:c7hm", "a=ice-ufrag:c7h m"), 400, "malformed_sdp"),
        (changed("a=ice-pwd:fX0xsAPQNXK2yONn8qBpdx7Q", "a=ice-pwd:short"), 400, "malformed_sdp"),
        (changed("a=setup:actpass", "a=setup:maybe"), 400, "malformed_sdp"),
        (changed("a=setup:actpass", "a=setup:actpass\r\na=setup:active"), 400, "malformed_sdp"),
        (changed("a=recvonly", "a=recvonly\r\na=sendonly"), 400, "malformed_sdp"),
        (changed(FINGERPRINT, FINGERPRINT[:-3]), 400, "malformed_sdp"),
        (changed(FINGERPRINT, FINGERPRINT.replace("AB", "XY")), 400, "malformed_sdp"),
        (changed("a=max-message-size:262144", "a=max-message-size:-1"), 400, "malformed_sdp"),
        (changed("a=sctp-port:5001", "a=sctp-port:70000"), 400, "malformed_sdp"),
        (join(SESSION[:4], DATA), 422, "no_audio"),
        (changed("m=audio 9 ", "m=audio 0 "), 422, "no_audio"),
        (changed("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 422, "no_audio"),
        (only_opus().replace("opus/48000/2", "opus/48000/6"), 422, "no_codec"),
        (only_opus().replace("opus/48000/2", "opus/16000/2"), 422, "no_codec"),
        (only_opus().replace("opus/48000/2", "speex/48000/2"), 422, "no_codec"),
        (only_opus().replace("111", "72"), 422, "no_codec"),
        (changed("a=recvonly", "a=sendonly"), 422, "wrong_direction"),
        (changed("a=recvonly", "a=inactive"), 422, "wrong_direction"),
        (changed("a=setup:actpass", "a=setup:passive"), 422, "wrong_setup"),
        (changed("a=setup:actpass", "a=setup:holdconn"), 422, "wrong_setup"),
        (without("a=fingerprint"), 422, "no_fingerprint"),
        (changed("sha-256", "sha-1"), 422, "no_fingerprint"),
        (without("a=rtcp-mux"), 422, "no_rtcp_mux"),
        (without("a=group"), 422, "not_bundled"),
        (changed("BUNDLE 0 1", "BUNDLE 0"), 422, "not_bundled"),
        (changed("a=group:BUNDLE 0 1", "a=group:BUNDLE 0\r\na=group:BUNDLE 1"), 422, "not_bundled"),
    ],
)
def test_refused_with_a_status_and_a_reason(text: str, status: int, code: str) -> None:
    error = refused(text)
    assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"type": "offer", "sdp": small()}), "JSON"),
        (json.dumps(small()), "quotation marks"),
        (small().replace("\r\n", ""), "lost its line ends"),
        (small().replace("\r\n", "\\r\\n"), "written out"),
        (base64.b64encode(small().encode()).decode(), "encoded"),
        (urllib.parse.urlencode({"sdp": small()}), "encoded"),
        ("<html>moved</html>", "HTML"),
    ],
)
def test_an_offer_in_a_wrapping_is_told_which(text: str, said: str) -> None:
    error = refused(text)
    assert (error.status, error.code) == (400, "malformed_sdp")
    assert said in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + small(),
        "\r\n\n" + small(),
        small().replace("\r\n", "\r\r\n"),
        small().replace("\r\n", "\r\n\r\n"),
        small().replace("\r\n", " \t\r\n    "),
        changed("BUNDLE 0 1", "BUNDLE 2 0 1"),
        changed(
            "a=rtpmap:63 red/48000/2", "a=rtpmap:63 red/48000/2\r\na=rtpmap:255 x/8000\r\na=rtpmap:0 PCMU"
        ),
    ],
    ids=[
        "byte order mark",
        "blank lines in front",
        "doubled CR",
        "blank lines",
        "blanks",
        "cut m-line",
        "rtpmap",
    ],
)
def test_what_scripts_leave_in_an_offer_does_not_matter(text: str) -> None:
    assert check_offer(text) == check_offer(small())


def test_one_m_line_needs_neither_a_mid_nor_a_group() -> None:
    offer = check_offer(join(SESSION[:4], AUDIO).replace("a=mid:0\r\n", ""))
    assert (offer.audio.mid, offer.bundle, offer.payload_type) == ("", (), 111)


def test_direction_sendrecv_and_absent_are_served() -> None:
    assert check_offer(changed("a=recvonly", "a=sendrecv")).audio.direction == "sendrecv"
    assert check_offer(without("a=recvonly")).audio.direction == "sendrecv"


def test_active_client_is_served() -> None:
    assert check_offer(changed("a=setup:actpass", "a=setup:active")).setup == "active"


def test_unusable_candidates_are_left_out() -> None:
    text = changed(
        "a=candidate:1 1 udp",
        "a=candidate:\r\na=candidate:1 1 udp x y 99999 typ host\r\na=candidate:2 9 udp 1 192.0.2.1 1 typ host"
        "\r\na=candidate:1 1 udp",
    )
    assert [c.port for c in check_offer(text).candidates] == [57706]


def test_candidates_and_m_lines_are_bounded() -> None:
    many = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n} typ host\r\n" for n in range(1, 200))
    text = changed("a=candidate:1 1 udp", f"{many}a=candidate:1 1 udp")
    assert len(check_offer(text).candidates) == 64
    assert [c.port for c in check_offer(text, SdpLimits(candidates=3)).candidates] == [1, 2, 3]
    refused = small() + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n" * 40
    for limits, most in ((SdpLimits(), 32), (SdpLimits(media_lines=5), 5)):
        with pytest.raises(PeerError, match=f"more than {most} m-lines") as caught:
            check_offer(refused, limits)
        assert caught.value.status == 400


def test_work_is_bounded_for_the_largest_hostile_offers() -> None:
    """The dearest offers of 64 KiB cost at most some tens of times a plain one of the same size.

    Compared within this run, to a text of as many lines that needs no more than splitting.
    """
    head, tail = join(SESSION), join(AUDIO, DATA)
    room = 64 * 1024 - len(head) - len(tail)
    plain = head + tail + "a=x:12345678\r\n" * min(1900, room // 14)
    hostile = [
        head + "a=extmap:1 x\r\n" * 1800 + tail + "m=video 0 RTP/AVP 0\r\n" * 30,
        head + f"a=fingerprint:sha-256 {FINGERPRINT}\r\n" * 500 + tail + "m=video 0 RTP/AVP 0\r\n" * 30,
        head + tail + "a=rtcp-fb:* x\r\n" * 1900,
        head + tail + "a=candidate:1 1 udp 1 1.1.1.1 1 typ host\r\n" * 1400,
        head + tail + "m=video 9 RTP/SAVPF 96\r\n" + "a=fmtp:96 a\r\n" * 1900,
    ]

    def cost(text: str) -> int:
        times = []
        for _ in range(5):
            begin = time.perf_counter_ns()
            with contextlib.suppress(PeerError):
                check_offer(text)
            times.append(time.perf_counter_ns() - begin)
        return min(times)

    reference = cost(plain)
    assert all(cost(text) < 30 * reference for text in hostile)


LINES = [*SESSION, *AUDIO, *DATA]


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_accepted_or_refused(text: str) -> None:
    _accepted_or_refused(text)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_any_damage_to_an_offer_is_accepted_or_refused(data: st.DataObject) -> None:
    """Lines of a good offer deleted, doubled, moved, cut, or with text put in."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["delete", "double", "move", "cut", "insert", "digit"])):
            case "delete" if len(lines) > 1:
                del lines[index]
            case "double":
                lines.insert(index, lines[index])
            case "move":
                lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(index))
            case "cut":
                lines[index] = lines[index][: data.draw(st.integers(0, len(lines[index])))]
            case "insert":
                at = data.draw(st.integers(0, len(lines[index])))
                lines[index] = lines[index][:at] + data.draw(st.text(max_size=8)) + lines[index][at:]
            case "digit":
                number = str(data.draw(st.integers(-(2**70), 2**70)))
                lines[index] = lines[index].replace(data.draw(st.sampled_from("0123456789")), number)
    _accepted_or_refused("\r\n".join(lines))


def _accepted_or_refused(text: str) -> None:
    offer: OfferSummary | None
    status = 0
    try:
        offer = check_offer(text)
    except PeerError as error:
        offer, status = None, error.status
    if offer is None:
        assert status in (400, 422)
        return
    chosen = offer.audio.codec(offer.payload_type)
    assert chosen is not None
    assert offer.codec.lower().startswith(f"{chosen.name.lower()}/{chosen.clock_hz}")
    echoed = [
        offer.ice_ufrag,
        *(line.mid for line in offer.media),
        *(f for m in offer.media for f in m.formats),
    ]
    assert all(value.isascii() and value.isprintable() for value in echoed)


@pytest.mark.parametrize("name", offers.NAMES)
def test_blanks_between_words_do_not_matter(name: str) -> None:
    spaced = load(name).replace("=", "= ", 1).replace(" ", " \t ")
    assert check_offer(spaced.replace("v= ", "v=", 1)) == check_offer(load(name))


@pytest.mark.parametrize("sign", "+/=-_")
def test_credentials_may_be_base64_of_either_kind(sign: str) -> None:
    offer = check_offer(
        small().replace("a=ice-ufrag:c7hm", f"a=ice-ufrag:c7{sign}m").replace("qBpdx7Q", f"qBpdx7{sign}")
    )
    assert offer.ice_ufrag == f"c7{sign}m"
    assert offer.ice_pwd.endswith(sign)


def test_stereo_opus_is_preferred_to_one_without_its_channels() -> None:
    both = changed("111 63 0", "96 111 63").replace("a=rtpmap:111", "a=rtpmap:96 OPUS/48000\r\na=rtpmap:111")
    assert check_offer(both).payload_type == 111

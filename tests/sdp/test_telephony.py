"""Offers without Opus get a telephone's codec, at its static or dynamic payload type; others are told what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.sdp import SessionDescription

from rtcserver.errors import PeerError
from rtcserver.sdp.offer import CODECS, OPUS, OfferSummary, check_offer
from tests.sdp.offers import AUDIO, DATA, NAMES, SESSION, join, load
from tests.sdp.test_answer import answer_to, sections

G722, PCMU, PCMA = CODECS[1:]


def offering(formats: str, *attributes: str) -> str:
    """An offer whose audio has these formats, and only these attributes about them."""
    plain = [line for line in AUDIO if not line.startswith(("a=rtpmap", "a=fmtp", "a=rtcp-fb"))]
    audio = (f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", *plain[1:], *attributes)
    return join(SESSION, audio, DATA)


@pytest.mark.parametrize(
    ("formats", "attributes", "codec", "payload_type"),
    [
        ("0", (), PCMU, 0),
        ("8", (), PCMA, 8),
        ("9", (), G722, 9),
        ("0 8", (), PCMU, 0),
        ("8 0", (), PCMA, 8),
        ("8 0 9", (), G722, 9),
        ("0 101", ("a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000"), PCMU, 0),
        ("97 98", ("a=rtpmap:97 pcma/8000/1", "a=rtpmap:98 pcmu/8000"), PCMA, 97),
        ("96 9", ("a=rtpmap:96 G722/8000",), G722, 96),
        ("0 111", ("a=rtpmap:111 opus/48000/2",), OPUS, 111),
        ("0 111", ("a=rtpmap:111 opus/48000",), OPUS, 111),
        # Types that mean something else, or nothing that is known.
        ("0 8", ("a=rtpmap:0 speex/8000",), PCMA, 8),
        ("3 18 127 0", (), PCMU, 0),
        ("9 0", ("a=rtpmap:9 G722/16000",), PCMU, 0),
        ("0 8", ("a=rtpmap:0 PCMU/8000/2",), PCMA, 8),
        ("72 8", ("a=rtpmap:72 G722/8000",), PCMA, 8),
        # Wishes for other packets are wishes (RFC 8866, section 6.4), whatever they are.
        *(
            ("0", (f"a={name}:{value}",), PCMU, 0)
            for name in ("ptime", "maxptime")
            for value in ("30", "0", "-1", "x", "9" * 40)
        ),
    ],
)
def test_which_codec_an_offer_gets(
    formats: str, attributes: Sequence[str], codec: str, payload_type: int
) -> None:
    offer = check_offer(offering(formats, *attributes))
    assert (offer.codec, offer.payload_type) == (codec, payload_type)
    assert offer.red_payload_type is None
    part = sections(answer_to(offer, frame_ms=20))[1]
    assert part[0].endswith(f" UDP/TLS/RTP/SAVPF {payload_type}")
    assert [line for line in part if line.startswith("a=rtpmap:")] == [f"a=rtpmap:{payload_type} {codec}"]
    assert "a=ptime:20" in part
    if codec != OPUS:
        assert not any(line.startswith(("a=fmtp:", "a=rtcp-fb:")) for line in part)


@pytest.mark.parametrize(
    ("formats", "attributes"),
    [
        ("3", ()),
        ("18 101", ("a=rtpmap:18 G729/8000", "a=rtpmap:101 telephone-event/8000")),
        ("0", ("a=rtpmap:0 speex/8000",)),
        ("72", ("a=rtpmap:72 PCMU/8000",)),
        ("96", ("a=rtpmap:0 PCMU/8000",)),
        ("13", ("a=rtpmap:13 CN/8000",)),
    ],
)
def test_an_offer_with_none_of_them_is_told_what_is_missing(formats: str, attributes: Sequence[str]) -> None:
    with pytest.raises(PeerError) as caught:
        check_offer(offering(formats, *attributes))
    assert (caught.value.status, caught.value.code) == (422, "no_codec")
    assert all(name in str(caught.value) for name in CODECS)


def test_where_only_opus_is_served_the_others_do_not_count() -> None:
    with pytest.raises(PeerError) as caught:
        check_offer(offering("0 8 9"), codecs=(OPUS,))
    assert (caught.value.status, caught.value.code) == (422, "no_opus")
    assert OPUS in str(caught.value)
    assert check_offer(offering("0 111", "a=rtpmap:111 opus/48000/2"), codecs=(OPUS,)).codec == OPUS


def test_packets_are_sent_again_only_to_those_who_offer_to_ask() -> None:
    asks = check_offer(offering("0 8", "a=rtcp-fb:0 nack"))
    assert "a=rtcp-fb:0 nack" in sections(answer_to(asks))[1]
    all_ask = check_offer(offering("8", "a=rtcp-fb:* nack"))
    assert "a=rtcp-fb:8 nack" in sections(answer_to(all_ask))[1]
    other = check_offer(offering("8 0", "a=rtcp-fb:0 nack", "a=rtcp-fb:8 transport-cc"))
    assert "rtcp-fb" not in answer_to(other)


def test_opus_counts_most_in_whatever_m_line() -> None:
    telephone = tuple(
        line.replace("a=mid:0", "a=mid:2") for line in AUDIO if not line.startswith(("a=rtpmap", "a=fmtp"))
    )
    telephone = (telephone[0].replace("111 63 0", "0"), *telephone[1:])
    session = tuple(line.replace("BUNDLE 0 1", "BUNDLE 2 0 1") for line in SESSION)
    offer = check_offer(join(session, telephone, AUDIO, DATA))
    assert (offer.codec, offer.audio_index) == (OPUS, 1)
    offer = check_offer(join(session, telephone, DATA))
    assert (offer.codec, offer.audio_index) == (PCMU, 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_real_offer_with_opus_gets_opus(name: str) -> None:
    assert check_offer(load(name)).codec == OPUS


async def aiortcs(*names: str) -> tuple[RTCPeerConnection, OfferSummary]:
    """What stock aiortc offers with these codecs."""
    connection = RTCPeerConnection()
    transceiver = connection.addTransceiver("audio", direction="recvonly")
    capable = RTCRtpReceiver.getCapabilities("audio")
    assert capable is not None
    transceiver.setCodecPreferences(
        [codec for name in names for codec in capable.codecs if codec.mimeType == f"audio/{name}"]
    )
    offer = await connection.createOffer()
    assert offer is not None
    await connection.setLocalDescription(offer)
    return connection, check_offer(connection.localDescription.sdp)


@pytest.mark.parametrize(
    ("names", "codec"),
    [
        (("opus", "G722", "PCMU", "PCMA"), OPUS),
        (("PCMU", "PCMA", "opus"), OPUS),
        (("PCMU", "PCMA"), PCMU),
        (("PCMA", "PCMU"), PCMA),
        (("PCMA", "G722"), G722),
    ],
)
async def test_stock_aiortc_understands_the_answer(names: Sequence[str], codec: str) -> None:
    connection, offer = await aiortcs(*names)
    try:
        assert offer.codec == codec
        parsed = SessionDescription.parse(answer_to(offer, frame_ms=20)).media[0]
        assert [
            (c.payloadType, f"{c.mimeType.partition('/')[2]}/{c.clockRate}") for c in parsed.rtp.codecs
        ] == [(offer.payload_type, codec.removesuffix("/2"))]
    finally:
        await connection.close()

"""Offer → aiortc's offer, aiortc's answer → the client's answer, for every captured offer."""

from __future__ import annotations

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from rtcserver.sdp.offer import check_offer
from rtcserver.stock.answer import answer_for_client, offer_for_aiortc, usable_candidates
from rtcserver.stock.track import MontageTrack
from tests.sdp.offers import AUDIO, NAMES, SESSION, changed, join, load, small


async def answer(text: str, frame_ms: float = 10) -> tuple[str, list[list[str]]]:
    """Our answer to an offer, through a real RTCPeerConnection: whole, and as m-line sections."""
    offer = check_offer(text)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        pc.addTrack(MontageTrack())
        await pc.setRemoteDescription(RTCSessionDescription(offer_for_aiortc(offer), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        result = answer_for_client(pc.localDescription.sdp, offer, frame_ms)
    finally:
        await pc.close()
    sections: list[list[str]] = []
    for line in result.split("\r\n"):
        if line.startswith("m="):
            sections.append([])
        if sections:
            sections[-1].append(line)
    return result, sections


@pytest.mark.parametrize("name", NAMES)
async def test_answer_to_a_real_client(name: str) -> None:
    offer = check_offer(load(name))
    text, sections = await answer(load(name))
    assert len(sections) == len(offer.media)
    accepted = []
    for line, section in zip(offer.media, sections, strict=True):
        kind, port, protocol = section[0].removeprefix("m=").split()[:3]
        assert (kind, protocol) == (line.kind, line.protocol)
        assert f"a=mid:{line.mid}" in section
        served = line is offer.audio or line is offer.data
        assert (port != "0") is served
        if served:
            accepted.append(line.mid)
            assert "a=setup:passive" in section
    pt = offer.payload_type
    audio = sections[offer.audio_index]
    assert audio[0].split()[3:] == [str(pt)]
    assert f"a=fmtp:{pt} stereo=1;sprop-stereo=1;minptime=10;useinbandfec=0" in audio
    assert f"a=rtcp-fb:{pt} nack" in audio
    assert "a=ptime:10" in audio
    assert "a=sendonly" in audio
    assert "a=rtcp-mux" in audio
    group = [line for line in text.split("\r\n") if line.startswith("a=group:BUNDLE")]
    if offer.bundle:
        assert group == ["a=group:BUNDLE " + " ".join(accepted)]
    else:
        assert group == []


async def test_ptime_is_whole_milliseconds() -> None:
    assert "a=ptime:3" in (await answer(small(), 2.5))[0].split("\r\n")
    assert "a=ptime:20" in (await answer(small(), 20))[0].split("\r\n")


async def test_client_text_never_reaches_aiortc() -> None:
    text = changed("a=recvonly", "a=recvonly\r\na=ssrc:x y\r\na=rtcp:99999999 IN nonsense\r\na=sctpmap:q")
    rewritten = offer_for_aiortc(check_offer(text))
    assert "nonsense" not in rewritten
    assert len((await answer(text))[1]) == 2


def test_candidates_that_aioice_would_choke_on_are_left_out() -> None:
    text = changed(
        "a=candidate:1 1 udp",
        "a=candidate:2 1 udp 1 a.local 5 typ host\r\na=candidate:3 1 tcp 1 192.0.2.3 9 typ host\r\n"
        "a=candidate:4 2 udp 1 192.0.2.4 9 typ host\r\na=candidate:5 1 udp 1 example.com 9 typ host\r\n"
        "a=candidate:6 1 udp 1 2001:db8::6 9 typ srflx\r\na=candidate:7 1 udp 1 1.1 9 typ prflx\r\n"
        "a=candidate:1 1 udp",
    )
    offer = check_offer(text)
    assert len(offer.candidates) == 7
    assert [c.address for c in usable_candidates(offer.candidates)] == ["2001:db8::6", "192.0.2.7"]


async def test_an_offer_without_a_mid_gets_an_answer_without() -> None:
    text, (audio,) = await answer(join(SESSION[:4], AUDIO).replace("a=mid:0\r\n", ""))
    assert "a=mid" not in text
    assert "a=rtpmap:111 opus/48000/2" in audio

"""SDP: offers, fragments, and what clients make of answers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

from aiortc.sdp import SessionDescription

from rtcserver.client.whep import ask_for_stereo, codec_of
from rtcserver.errors import PeerError
from rtcserver.load import sdp as load_sdp
from rtcserver.sdp.answer import AnswerStream, AnswerTransport, build_answer, build_restart_fragment
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.sdp.lines import candidate
from rtcserver.sdp.offer import OPUS, check_offer
from rtcserver.stock.answer import offer_for_aiortc
from rtcserver.transport.candidates import HostCandidate
from tests.fuzz.target import target

OFFERS = Path(__file__).parents[2] / "vectors" / "offers"
CANDIDATE = "candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host"
TRANSPORT = AnswerTransport(
    "ufrag",
    "password" * 3,
    ":".join(["AB"] * 32),
    (HostCandidate(ipaddress.ip_address("127.0.0.1"), 8080, 0),),
)
STREAM = AnswerStream(1234, "cname", "stream", "track", 10)
FRAGMENT = (
    "a=group:BUNDLE 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n"
    f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na={CANDIDATE}\r\na=end-of-candidates\r\n"
)
ALGORITHMS = ("sha-256 ", "sha-384 ", "sha-512 ")
WORDS = (
    *(
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "m=video 9 RTP/AVP 96",
    ),
    *(
        "a=mid:",
        "a=group:BUNDLE ",
        "a=rtpmap:",
        "opus/48000/2",
        "red/48000/2",
        "G722/8000",
        "PCMU/8000",
        " 0 8 9 101",
        "111/111",
        "a=fmtp:",
        "a=rtcp-fb:",
        "a=extmap:",
        "a=ssrc:",
    ),
    *(
        "a=ice-ufrag:",
        "a=ice-pwd:",
        "a=ice-options:trickle",
        "a=ice-lite",
        "a=fingerprint:",
        *ALGORITHMS,
        "a=setup:",
    ),
    *(
        "actpass",
        "active",
        "a=rtcp-mux",
        "a=recvonly",
        "a=sendrecv",
        "a=bundle-only",
        "a=sctp-port:",
        "a=sctpmap:",
    ),
    *(
        "a=max-message-size:",
        f"a={CANDIDATE}",
        "a=end-of-candidates",
        "a=msid:",
        "c=IN IP4 0.0.0.0",
        "\r\n",
        "\n",
    ),
)
_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]*")


def text_of(data: bytes) -> str:
    """As a body is decoded, but for what is no UTF-8, which never comes so far."""
    return data.decode("utf-8", "replace")


def _offers() -> Iterator[bytes]:
    for path in sorted(OFFERS.glob("*.sdp")):
        yield path.read_bytes()
    whole = (OFFERS / "chromium.sdp").read_text()
    for formats in ("0 8 101", "9", "97"):
        yield re.sub(r"(m=audio .*SAVPF) .*", rf"\1 {formats}\na=rtpmap:97 PCMA/8000", whole).encode()


def _is_sdp(text: str) -> list[str]:
    lines = text.split("\r\n")
    assert lines.pop() == ""
    assert all(_LINE.fullmatch(line) for line in lines), lines
    return lines


@target("sdp-offer", PeerError, good=_offers, words=WORDS, max_bytes=7000)
def offer(data: bytes) -> None:
    """An offer that is taken can be answered, line for line, and with Opus rewritten for aiortc, which must take that."""
    summary = check_offer(text_of(data))
    lines = _is_sdp(build_answer(summary, TRANSPORT, STREAM, 1))
    assert sum(line.startswith("m=") for line in lines) == len(summary.media)
    _is_sdp(build_restart_fragment(summary, TRANSPORT))
    if summary.codec != OPUS:
        return
    rewritten = offer_for_aiortc(summary)
    _is_sdp(rewritten)
    assert len(SessionDescription.parse(rewritten).media) == 1 + summary.has_datachannel


@target("sdp-fragment", PeerError, good=lambda: (FRAGMENT.encode(),), words=WORDS)
def fragment(data: bytes) -> None:
    parse_sdpfrag(text_of(data))


def _candidates() -> Iterator[bytes]:
    yield CANDIDATE.partition(":")[2].encode()
    yield b"4 2 tcp 1 2001:db8::1 9 typ relay raddr 0.0.0.0 rport 0 tcptype active"
    yield b"x 1 UDP 1 0ab9.local 1 typ srflx"


@target("sdp-candidate", good=_candidates, max_bytes=400)
def one_candidate(data: bytes) -> None:
    found = candidate(text_of(data))
    assert found is None or (found.port < 65536 and found.protocol.isascii())


def _answers() -> Iterator[bytes]:
    for path in sorted(OFFERS.glob("*.sdp"))[:4]:
        yield build_answer(check_offer(path.read_text()), TRANSPORT, STREAM, 1).encode()


@target("sdp-answer", ValueError, good=_answers, words=WORDS, max_bytes=3000)
def answer(data: bytes) -> None:
    """What the headless client and the load generator read of a server's answer or offer."""
    text = text_of(data)
    local = load_sdp.Local("abcd", "p" * 24, "AB:CD", "127.0.0.1", 4000, True)
    ask_for_stereo(text)
    codec_of(text, 111)
    load_sdp.answer(local, text)
    load_sdp.parse(text)

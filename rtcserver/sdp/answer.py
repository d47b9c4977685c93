"""The one-port server's SDP answers (RFC 8829; RFC 8839; RFC 9143), and its ICE-restart fragments. Pure.

What an answer says:

- the client's m-lines in its order; audio and, if offered, the data channel are served, the others
  rejected with port 0 and left out of BUNDLE;
- ICE-lite with all candidates and ``end-of-candidates`` on the BUNDLE's tagged m-line; DTLS passive;
  rtcp-mux;
- one codec, at the client's own payload type: Opus in stereo, with NACK, and RED around it where it is offered and
  wanted; or a telephone's codec (G.722, G.711) in mono, with NACK where that is offered;
- of header extensions only the one that says when sound was captured, for whoever takes it (`rtcserver.sdp.capture_time`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rtcserver.sdp.capture_time import CAPTURE_TIME
from rtcserver.sdp.media import RTP_PROTOCOLS, MediaLine
from rtcserver.sdp.offer import OPUS, OfferSummary
from rtcserver.transport.candidates import HostCandidate

MAX_MESSAGE_SIZE = 65536
"""Bytes of a data channel message that the server takes."""
SCTP_PORT = 5000


@dataclass(frozen=True, slots=True)
class AnswerTransport:
    """Our side of the one transport. fingerprint: of SHA-256, ``AB:CD:…``."""

    ufrag: str
    password: str
    fingerprint: str
    candidates: Sequence[HostCandidate]


@dataclass(frozen=True, slots=True)
class AnswerStream:
    """The RTP stream that is sent. frame_ms: duration of a packet. redundant: whether it may come as RED, too. capture_id:
    of the header extension that says when its sound was captured; 0 for none."""

    ssrc: int
    cname: str
    stream_id: str
    track_id: str
    frame_ms: float
    redundant: bool = False
    capture_id: int = 0


def build_answer(
    offer: OfferSummary, transport: AnswerTransport, stream: AnswerStream, session_number: int
) -> str:
    """The answer, with CRLF line ends. session_number: the ``o=`` line's, below 2⁶³."""
    served = served_lines(offer)
    text = [
        "v=0",
        f"o=- {session_number} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=msid-semantic: WMS {stream.stream_id}",
    ]
    if offer.bundle:
        text.insert(4, f"a=group:BUNDLE {' '.join(line.mid for line in served)}")
    for line in offer.media:
        if line is offer.audio:
            text += _audio(line, offer, transport, stream)
        elif line is offer.data:
            text += _data(line, offer, transport)
        else:
            text += rejected(line)
            continue
        text += _transport(transport)
        if line is served[0]:
            text += _candidates(transport.candidates)
    return "\r\n".join(text) + "\r\n"


def build_restart_fragment(offer: OfferSummary, transport: AnswerTransport) -> str:
    """The body of the 200 to an ICE-restart PATCH (RFC 9725, section 4.3.3; RFC 8840, section 9)."""
    tagged = served_lines(offer)[0]
    text = ["a=ice-lite"]
    if offer.bundle:
        text.append(f"a=group:BUNDLE {' '.join(line.mid for line in served_lines(offer))}")
    text += [
        f"m={tagged.kind} 9 {tagged.protocol} 0",
        *mid(tagged),
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        *_candidates(transport.candidates),
    ]
    return "\r\n".join(text) + "\r\n"


def _audio(
    line: MediaLine, offer: OfferSummary, transport: AnswerTransport, stream: AnswerStream
) -> list[str]:
    payload_type = offer.payload_type
    opus = offer.codec == OPUS
    red = offer.red_payload_type if stream.redundant else None
    formats = str(payload_type) if red is None else f"{payload_type} {red}"
    return [
        f"m=audio {_port(transport)} {line.protocol} {formats}",
        _connection(transport),
        *mid(line),
        "a=sendonly",
        "a=rtcp-mux",
        f"a=rtpmap:{payload_type} {offer.codec}",
        *(opus_attributes(payload_type, stream.frame_ms) if opus else _plain(offer, stream.frame_ms)),
        *(red_attributes(red, payload_type) if red is not None else ()),
        *([f"a=extmap:{stream.capture_id} {CAPTURE_TIME}"] if stream.capture_id else ()),
        f"a=msid:{stream.stream_id} {stream.track_id}",
        f"a=ssrc:{stream.ssrc} cname:{stream.cname}",
    ]


def _plain(offer: OfferSummary, frame_ms: float) -> list[str]:
    """What an answer says about a codec without parameters: packets are sent again only to who offers to ask for them."""
    payload_type = offer.payload_type
    nack = [f"a=rtcp-fb:{payload_type} nack"] if "nack" in offer.rtcp_fb else []
    return [*nack, f"a=ptime:{math.ceil(frame_ms)}"]


def _data(line: MediaLine, offer: OfferSummary, transport: AnswerTransport) -> list[str]:
    if line.protocol == "DTLS/SCTP":
        # As browsers wrote it before RFC 8841; who offers so expects it so.
        formats, ports = str(SCTP_PORT), [f"a=sctpmap:{SCTP_PORT} webrtc-datachannel 256"]
    else:
        formats, ports = "webrtc-datachannel", [f"a=sctp-port:{SCTP_PORT}"]
    return [
        f"m=application {_port(transport)} {line.protocol} {formats}",
        _connection(transport),
        f"a=mid:{line.mid}",
        *ports,
        f"a=max-message-size:{MAX_MESSAGE_SIZE}",
    ]


def _transport(transport: AnswerTransport) -> list[str]:
    return [
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        "a=setup:passive",
    ]


def _candidates(candidates: Sequence[HostCandidate]) -> list[str]:
    return [*(f"a={candidate.line}" for candidate in candidates), "a=end-of-candidates"]


def _port(transport: AnswerTransport) -> int:
    """The default destination's (RFC 8839, section 4.2.1.2); never 0, which would reject the m-line."""
    return transport.candidates[0].port if transport.candidates else 9


def _connection(transport: AnswerTransport) -> str:
    if not transport.candidates:
        return "c=IN IP4 0.0.0.0"
    address = transport.candidates[0].address
    return f"c=IN IP{address.version} {address}"


def served_lines(offer: OfferSummary) -> list[MediaLine]:
    """The m-lines that get an answer, the one with the transport first."""
    lines = [offer.audio] if offer.data is None else [offer.audio, offer.data]
    return sorted(lines, key=lambda line: offer.bundle.index(line.mid) if line.mid in offer.bundle else 0)


def rejected(line: MediaLine) -> list[str]:
    """An m-line that is not served (RFC 3264, section 6: port 0, one format at least).

    Formats of a rejected m-line mean nothing, yet pion refuses a whole answer whose rejected m-line names payload
    types without an ``a=rtpmap``. So an RTP m-line gets the one static payload type 0, whatever was offered.
    """
    formats = "0" if line.protocol in RTP_PROTOCOLS else " ".join(line.formats) or "0"
    text = [f"m={line.kind} 0 {line.protocol} {formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return [*text, *mid(line)]


def mid(line: MediaLine) -> list[str]:
    """The m-line's ``a=mid``, if its offer has one (RFC 8829, section 5.3.1)."""
    return [f"a=mid:{line.mid}"] if line.mid else []


def opus_attributes(payload_type: int, frame_ms: float) -> list[str]:
    """What an answer says about Opus (RFC 7587, section 6.1; RFC 4585, section 4.2).

    ``stereo`` and ``sprop-stereo``: both directions are stereo. In-band FEC is off, as the encoder's
    restricted-lowdelay mode has none. ``nack`` turns on audio retransmission in browsers. ptime is
    whole milliseconds, rounded up (RFC 7587).
    """
    return [
        f"a=rtcp-fb:{payload_type} nack",
        f"a=fmtp:{payload_type} stereo=1;sprop-stereo=1;minptime=10;useinbandfec=0",
        f"a=ptime:{math.ceil(frame_ms)}",
    ]


def red_attributes(payload_type: int, opus: int) -> list[str]:
    """RED whose blocks are all Opus (RFC 2198, section 5). opus: its payload type."""
    return [f"a=rtpmap:{payload_type} red/48000/2", f"a=fmtp:{payload_type} {opus}/{opus}"]

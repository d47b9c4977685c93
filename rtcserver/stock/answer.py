"""SDP between a checked offer and aiortc's RTCPeerConnection. Pure.

aiortc never sees the client's text: it gets an offer written anew from `OfferSummary`, with the
m-lines that are served and nothing else, so its parser (which raises whatever comes) meets only
text of ours. Its answer is put back into the order of the client's m-lines and given the Opus
parameters that it cannot express.
"""

from __future__ import annotations

import ipaddress

from rtcserver.sdp.answer import opus_attributes, rejected, served_lines
from rtcserver.sdp.lines import RemoteCandidate
from rtcserver.sdp.media import MediaLine
from rtcserver.sdp.offer import OfferSummary

MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid"
MAX_REMOTE_CANDIDATES = 16
"""Each costs ICE checks towards an address that the client names."""


def usable_candidates(candidates: tuple[RemoteCandidate, ...]) -> list[RemoteCandidate]:
    """Those that aioice takes: UDP, RTP's component, a literal address.

    Names ending in .local are left out: looking them up delays the join by seconds where multicast
    does not pass, and the browser's own checks make its address known anyway.
    """
    usable = []
    for candidate in candidates:
        if candidate.protocol != "udp" or candidate.component != 1 or candidate.type == "prflx":
            continue
        try:
            ipaddress.ip_address(candidate.address)
        except ValueError:
            continue
        usable.append(candidate)
    return usable[:MAX_REMOTE_CANDIDATES]


def mid_for_aiortc(line: MediaLine) -> str:
    """The m-line's mid, or one in its place: aiortc needs one, some offers of a single m-line have none."""
    return line.mid or "0"


def offer_for_aiortc(offer: OfferSummary) -> str:
    """The offer as aiortc gets it: audio with one codec, the data channel if there is one.

    ``setup:active`` makes aiortc the DTLS server, as the one-port transport is. The end of candidates
    is not told, so that aioice waits for the client's checks when none of its candidates is usable.
    """
    lines = served_lines(offer)
    text = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    if offer.ice_lite:
        text.append("a=ice-lite")
    text += [f"a=group:BUNDLE {' '.join(map(mid_for_aiortc, lines))}", "a=msid-semantic:WMS *"]
    for line in lines:
        if line is offer.audio:
            pt = offer.payload_type
            text.append(f"m=audio 9 UDP/TLS/RTP/SAVPF {pt}")
            text += ["c=IN IP4 0.0.0.0", f"a=mid:{mid_for_aiortc(line)}", "a=recvonly", "a=rtcp-mux"]
            text.append(f"a=rtpmap:{pt} opus/48000/2")
            text += [f"a=extmap:{e.id} {e.uri}" for e in line.extmap if e.uri == MID_EXTENSION and e.id < 15]
        else:
            text += [
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                "c=IN IP4 0.0.0.0",
                f"a=mid:{line.mid}",
                f"a=sctp-port:{line.sctp_port}",
                f"a=max-message-size:{line.max_message_size}",
            ]
        if line is lines[0]:
            text += [
                f"a=candidate:{c.foundation} 1 udp {c.priority} {c.address} {c.port} typ {c.type}"
                for c in usable_candidates(offer.candidates)
            ]
        text += [f"a=ice-ufrag:{offer.ice_ufrag}", f"a=ice-pwd:{offer.ice_pwd}"]
        text += [f"a=fingerprint:{algorithm} {digest}" for algorithm, digest in offer.fingerprints]
        text.append("a=setup:active")
    return "\r\n".join(text) + "\r\n"


def answer_for_client(aiortc_answer: str, offer: OfferSummary, frame_ms: float) -> str:
    """aiortc's answer as the client gets it: its own m-lines in order, and our Opus parameters."""
    session, *sections = _sections(aiortc_answer)
    if not offer.bundle:
        session = [line for line in session if not line.startswith("a=group:")]
    by_index = dict(zip((line.index for line in served_lines(offer)), sections, strict=True))
    text = list(session)
    for line in offer.media:
        section = by_index.get(line.index)
        if section is None:
            text += rejected(line)
        elif line is offer.audio:
            own = [part for part in section if line.mid or not part.startswith("a=mid:")]
            text += _with_opus_parameters(own, offer.payload_type, frame_ms)
        else:
            text += section
    return "\r\n".join(text) + "\r\n"


def _with_opus_parameters(section: list[str], payload_type: int, frame_ms: float) -> list[str]:
    text = []
    for line in section:
        if line.startswith(("a=fmtp:", "a=rtcp-fb:", "a=ptime:")):
            continue
        text.append(line)
        if line.startswith(f"a=rtpmap:{payload_type} "):
            text += opus_attributes(payload_type, frame_ms)
    return text


def _sections(text: str) -> list[list[str]]:
    """Session part, then one list of lines an m-line."""
    sections: list[list[str]] = [[]]
    for line in text.split("\r\n"):
        if line.startswith("m="):
            sections.append([])
        if line:
            sections[-1].append(line)
    return sections

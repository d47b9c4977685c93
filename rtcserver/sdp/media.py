"""One m-line of an SDP description, from lines to values. Pure; raises only `PeerError` 400."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from rtcserver.sdp import lines as sdp_lines
from rtcserver.sdp.lines import LIMITS, RemoteCandidate, SdpLimits, attribute, integer, malformed, token

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["actpass", "active", "passive", "holdconn"]

RTP_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"})
"""DTLS-SRTP as RFC 8829, section 5.1.2 wants it accepted; which of them is only spelling."""
SCTP_PROTOCOLS = frozenset({"UDP/DTLS/SCTP", "DTLS/SCTP", "TCP/DTLS/SCTP"})
MAX_FEEDBACK = 256
"""``a=rtcp-fb`` lines of one m-line that count; browsers write about 60."""
DEFAULT_SCTP_PORT = 5000
DEFAULT_MAX_MESSAGE_SIZE = 65_536
"""RFC 8841, section 6.1: what an absent ``max-message-size`` means, in bytes."""

STATIC_TYPES = {0: ("PCMU", 8_000), 8: ("PCMA", 8_000), 9: ("G722", 8_000)}
"""Name and clock rate of payload types that mean their codec without an ``a=rtpmap`` (RFC 3551, table 4)."""

_FINGERPRINT_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_HEX_PAIRS = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2})*")
_M_LINE = re.compile(
    r"([!-~]{1,32}) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Za-z0-9/]{1,32})((?: [!-~]{1,64}){0,256})"
)
_RTPMAP = re.compile(r"([0-9]{1,3}) ([!-.0-~]{1,64})/([0-9]{1,7})(?:/([0-9]{1,2}))?")
_EXTMAP = re.compile(r"([0-9]{1,5})(?:/(sendrecv|sendonly|recvonly|inactive))? ([!-~]{1,255})(?: .*)?")
_DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_SETUPS: dict[str, Setup] = {
    "actpass": "actpass",
    "active": "active",
    "passive": "passive",
    "holdconn": "holdconn",
}


@dataclass(frozen=True, slots=True)
class RtpMap:
    """One ``a=rtpmap`` with what belongs to its payload type. Static types (`STATIC_TYPES`) need no such line.

    name: as written, compare in lower case. clock_hz: RTP clock. channels: 1 if not written.
    fmtp: parameters by name, values as text, "" for a bare word (``red``'s ``"111/111"``).
    rtcp_fb: feedback kinds such as ``"nack"`` or ``"transport-cc"``, those of ``*`` included.
    """

    payload_type: int
    name: str
    clock_hz: int
    channels: int
    fmtp: dict[str, str] = field(default_factory=dict)
    rtcp_fb: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtMap:
    """An RTP header extension (RFC 8285, section 5). direction: "" if not written."""

    id: int
    uri: str
    direction: str = ""


@dataclass(frozen=True, slots=True)
class MediaLine:
    """One m-line, with session-level attributes already merged in.

    index: position in the offer; the answer's m-lines have the same order.
    port: 0 means disabled, unless `bundle_only`. formats: the format list as written.
    payloads: `formats` as payload types, () for what is not RTP.
    setup, ice_ufrag, ice_pwd: "" if absent, allowed in m-lines that are not used.
    fingerprints: ``(algorithm, "AB:CD:…")``, lower and upper case, SHA-2 only.
    rtcp_fb: ``(payload type or "*", feedback)`` in order, as written.
    """

    index: int
    kind: str
    mid: str
    protocol: str
    port: int
    formats: tuple[str, ...]
    direction: Direction
    payloads: tuple[int, ...] = ()
    codecs: tuple[RtpMap, ...] = ()
    rtcp_fb: tuple[tuple[str, str], ...] = ()
    extmap: tuple[ExtMap, ...] = ()
    setup: Setup | Literal[""] = ""
    ice_ufrag: str = ""
    ice_pwd: str = ""
    fingerprints: tuple[tuple[str, str], ...] = ()
    candidates: tuple[RemoteCandidate, ...] = ()
    end_of_candidates: bool = False
    trickle: bool = False
    extmap_allow_mixed: bool = False
    rtcp_mux: bool = False
    bundle_only: bool = False
    sctp_port: int = 0
    max_message_size: int = 0

    @property
    def enabled(self) -> bool:
        """Whether the offerer proposes this m-line at all (RFC 3264, section 5.1; RFC 9143, section 6)."""
        return self.port != 0 or self.bundle_only

    def codec(self, payload_type: int) -> RtpMap | None:
        """The codec of a payload type of this m-line."""
        return next((c for c in self.codecs if c.payload_type == payload_type), None)


Lines = list[tuple[str, str]]


class Attributes:
    """The ``a=`` lines of one section: values by name, in order. Lookups cost the same for any size."""

    __slots__ = ("_values",)

    def __init__(self, lines: Lines) -> None:
        self._values: dict[str, list[str]] = {}
        for kind, text in lines:
            if kind == "a":
                name, value = attribute(text)
                self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        """All values of `name`, [] if it is absent."""
        return self._values.get(name, [])

    def has(self, name: str) -> bool:
        """Whether the section has `name`, with or without a value."""
        return name in self._values

    def single(self, name: str, defaults: Attributes | None = None) -> str:
        """The one value, else the session's, else "". Raises PeerError(400) for two different ones."""
        values = set(self.all(name))
        if len(values) > 1:
            raise malformed(f"A section of the SDP has {len(values)} different values of a={name}.")
        if values:
            return values.pop()
        return defaults.single(name) if defaults is not None else ""


class SessionPart(Attributes):
    """The session-level attributes, with those parsed once that every m-line inherits."""

    __slots__ = ("extmap", "fingerprints")

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self.extmap = tuple(_extmap(value) for value in self.all("extmap"))
        self.fingerprints = _fingerprints(self.all("fingerprint"))


def parse_media(
    index: int, m_value: str, lines: Lines, session: SessionPart, limits: SdpLimits = LIMITS
) -> MediaLine:
    """One m-line (the value of ``m=``) and the lines under it. Raises PeerError(400)."""
    match = _M_LINE.fullmatch(m_value)
    if match is None:
        raise malformed(f'The m-line "m={m_value[:60]}" is not of the form "m=kind port protocol formats".')
    own = Attributes(lines)
    formats = tuple(match[4].split())
    setup = own.single("setup", session)
    if setup and setup not in _SETUPS:
        raise malformed(f'"a=setup:{setup[:20]}" is none of actpass, active, passive and holdconn.')
    mid = own.single("mid")
    ufrag, pwd = own.single("ice-ufrag", session), own.single("ice-pwd", session)
    own_fingerprints = (
        _fingerprints(own.all("fingerprint")) if own.has("fingerprint") else session.fingerprints
    )
    candidates = [c for value in own.all("candidate") if (c := sdp_lines.candidate(value, mid)) is not None]
    line = MediaLine(
        index=index,
        kind=match[1].lower(),
        mid=token(mid, "a=mid", 64) if mid else "",
        protocol=match[3],
        port=integer(match[2], "The port of an m-line", 65535),
        formats=formats,
        direction=_direction(own, session),
        extmap=session.extmap + tuple(_extmap(value) for value in own.all("extmap")),
        setup=_SETUPS[setup] if setup else "",
        ice_ufrag=sdp_lines.ice_ufrag(ufrag) if ufrag else "",
        ice_pwd=sdp_lines.ice_pwd(pwd) if pwd else "",
        fingerprints=own_fingerprints,
        candidates=tuple(candidates[: limits.candidates]),
        end_of_candidates=own.has("end-of-candidates") or session.has("end-of-candidates"),
        trickle="trickle" in own.single("ice-options", session).split(),
        extmap_allow_mixed=own.has("extmap-allow-mixed") or session.has("extmap-allow-mixed"),
        rtcp_mux=own.has("rtcp-mux"),
        bundle_only=own.has("bundle-only"),
    )
    if line.protocol in RTP_PROTOCOLS:
        return _with_codecs(line, own)
    if line.protocol in SCTP_PROTOCOLS:
        return _with_sctp(line, own)
    return line


def _direction(own: Attributes, session: Attributes) -> Direction:
    """RFC 8866, section 6.7: media level over session level, ``sendrecv`` if neither says."""
    for source in (own, session):
        found = [direction for name, direction in _DIRECTIONS.items() if source.has(name)]
        if len(found) > 1:
            raise malformed("An m-line has two different directions.")
        if found:
            return found[0]
    return "sendrecv"


def _extmap(value: str) -> ExtMap:
    match = _EXTMAP.fullmatch(value)
    if match is None:
        raise malformed(f'"a=extmap:{value[:60]}" is not of the form "a=extmap:id uri".')
    return ExtMap(integer(match[1], "The id of an a=extmap", 65535), match[3], match[2] or "")


def _fingerprints(values: list[str]) -> tuple[tuple[str, str], ...]:
    """SHA-2 fingerprints; RFC 8122, section 5 lets a receiver skip hash functions that it does not take."""
    result = []
    for value in values:
        algorithm, _, digest = value.partition(" ")
        size = _FINGERPRINT_BYTES.get(algorithm.lower())
        if size is None:
            continue
        digest = digest.strip().upper()
        if len(digest) != size * 3 - 1 or not _HEX_PAIRS.fullmatch(digest):
            raise malformed(
                f"The {algorithm.lower()} fingerprint is not {size} hexadecimal pairs with colons."
            )
        result.append((algorithm.lower(), digest))
    return tuple(result[:8])


def _with_codecs(line: MediaLine, own: Attributes) -> MediaLine:
    payloads = tuple(integer(f, "A payload type", 127) for f in line.formats)
    feedback: list[tuple[str, str]] = []
    by_type: dict[str, tuple[str, ...]] = {}
    for value in own.all("rtcp-fb"):
        pt, _, what = value.partition(" ")
        if pt != "*":
            pt = str(integer(pt, "The payload type of an a=rtcp-fb", 127))
        feedback.append((pt, what.strip()))
    for pt, what in feedback[:MAX_FEEDBACK]:
        by_type[pt] = (*by_type.get(pt, ()), what)
    parameters: dict[int, dict[str, str]] = {}
    for value in own.all("fmtp"):
        pt, _, what = value.partition(" ")
        number = integer(pt, "The payload type of an a=fmtp", 127)
        parameters.setdefault(number, {}).update(_fmtp(what))

    def codec(number: int, name: str, clock_hz: int, channels: int) -> RtpMap:
        return RtpMap(
            payload_type=number,
            name=name,
            clock_hz=clock_hz,
            channels=channels,
            fmtp=parameters.get(number, {}),
            rtcp_fb=tuple(by_type.get("*", ()) + by_type.get(str(number), ())),
        )

    codecs: dict[int, RtpMap] = {}
    for value in own.all("rtpmap"):
        match = _RTPMAP.fullmatch(value)
        if match is None and "opus" not in value.lower():
            # Of a codec that is not used here.
            continue
        if match is None:
            raise malformed(f'"a=rtpmap:{value[:60]}" is not of the form "a=rtpmap:type name/clock".')
        number = int(match[1])
        if number in codecs or number not in payloads:
            continue
        codecs[number] = codec(number, match[2], int(match[3]), int(match[4] or 1))
    for number, (name, clock_hz) in STATIC_TYPES.items():
        if number in payloads and number not in codecs:
            codecs[number] = codec(number, name, clock_hz, 1)
    ordered = tuple(codecs[pt] for pt in dict.fromkeys(payloads) if pt in codecs)
    return replace(line, payloads=payloads, codecs=ordered, rtcp_fb=tuple(feedback[:MAX_FEEDBACK]))


def _fmtp(text: str) -> dict[str, str]:
    """``minptime=10;useinbandfec=1`` → names (lower case) and values."""
    result: dict[str, str] = {}
    for item in text.split(";"):
        name, _, value = item.strip().partition("=")
        if name:
            result[name.strip().lower()] = value.strip()
    return result


def _with_sctp(line: MediaLine, own: Attributes) -> MediaLine:
    port = own.single("sctp-port")
    if not port and line.formats and line.formats[0].isascii() and line.formats[0].isdigit():
        port = line.formats[0]  # "DTLS/SCTP 5000", as browsers wrote it before RFC 8841
    size = own.single("max-message-size") or str(DEFAULT_MAX_MESSAGE_SIZE)
    return replace(
        line,
        sctp_port=integer(port, "a=sctp-port", 65535) if port else DEFAULT_SCTP_PORT,
        max_message_size=integer(size, "a=max-message-size", (1 << 63) - 1),
    )

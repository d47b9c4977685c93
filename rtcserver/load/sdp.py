"""A load listener's half of SDP: the least that a server accepts, and what it needs of the answer. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

PAYLOAD_TYPE = 111
"""Chromium's Opus."""
RED_PAYLOAD_TYPE = 63
"""Chromium's RED (RFC 2198)."""


@dataclass(frozen=True, slots=True)
class Local:
    """A listener's ICE credentials and certificate. fingerprint: of SHA-256, ``AB:CD:…``. red: offer RED, too."""

    ufrag: str
    password: str
    fingerprint: str
    host: str
    port: int
    datachannel: bool = False
    red: bool = False


@dataclass(frozen=True, slots=True)
class Remote:
    """The server's side. candidates: (address, port) over UDP, in its order."""

    ufrag: str
    password: str
    fingerprint: str
    candidates: tuple[tuple[str, int], ...]

    def destination(self, preferred: str) -> tuple[str, int]:
        """The candidate to use: the one at the address that signaling was reached by, else the first.

        Raises ValueError if there is none.
        """
        for host, port in self.candidates:
            if host == preferred:
                return host, port
        if not self.candidates:
            raise ValueError("the answer has no usable candidate")
        return self.candidates[0]


def offer(local: Local) -> str:
    """An offer to receive one Opus stream, and a data channel if the listener has one."""
    mids = ["0", "1"] if local.datachannel else ["0"]
    formats, red = f"{PAYLOAD_TYPE}", RED_PAYLOAD_TYPE
    earlier: list[str] = []
    if local.red:
        formats += f" {red}"
        earlier = [f"a=rtpmap:{red} red/48000/2", f"a=fmtp:{red} {PAYLOAD_TYPE}/{PAYLOAD_TYPE}"]
    text = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(mids)}",
        f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}",
        *_transport(local, "0", "actpass"),
        "a=recvonly",
        "a=rtcp-mux",
        f"a=rtpmap:{PAYLOAD_TYPE} opus/48000/2",
        f"a=fmtp:{PAYLOAD_TYPE} minptime=10;stereo=1",
        f"a=rtcp-fb:{PAYLOAD_TYPE} nack",
        *earlier,
    ]
    if local.datachannel:
        text += [*_application(), *_transport(local, "1", "actpass")]
    return "\r\n".join(text) + "\r\n"


def answer(local: Local, offered: str) -> str:
    """The answer to a server that offers: every m-line accepted, DTLS active.

    Raises ValueError for an m-line without formats.
    """
    text = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    sections = [part.split("\n") for part in offered.replace("\r\n", "\n").split("\nm=")[1:]]
    mids = [_value(lines, "mid") or str(index) for index, lines in enumerate(sections)]
    text.append(f"a=group:BUNDLE {' '.join(mids)}")
    for mid, lines in zip(mids, sections, strict=True):
        if lines[0].startswith("audio"):
            words = lines[0].split()
            if len(words) < 4:
                raise ValueError("the server's audio m-line has no format")
            payload_type = words[3]
            text += [
                f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}",
                *_transport(local, mid, "active"),
                "a=recvonly",
                "a=rtcp-mux",
                f"a=rtpmap:{payload_type} opus/48000/2",
            ]
        else:
            text += [*_application(), *_transport(local, mid, "active")]
    return "\r\n".join(text) + "\r\n"


def parse(text: str) -> Remote:
    """What a server's offer or answer says of its transport. Raises ValueError if something is missing."""
    lines = text.replace("\r\n", "\n").split("\n")
    found = {name: _value(lines, name) for name in ("ice-ufrag", "ice-pwd", "fingerprint")}
    for name, value in found.items():
        if not value:
            raise ValueError(f"the server's SDP has no a={name}")
    algorithm, _, digest = found["fingerprint"].partition(" ")
    if algorithm.lower() != "sha-256":
        raise ValueError(f"the server's fingerprint is {algorithm}, not sha-256")
    candidates: list[tuple[str, int]] = []
    for line in lines:
        if line.startswith("a=candidate:"):
            words = line[12:].split()
            if len(words) >= 8 and words[1] == "1" and words[2].lower() == "udp" and _is_address(words[4]):
                candidates.append((words[4], int(words[5])))
    return Remote(
        found["ice-ufrag"], found["ice-pwd"], digest.strip().upper(), tuple(dict.fromkeys(candidates))
    )


def _transport(local: Local, mid: str, setup: str) -> list[str]:
    version = ipaddress.ip_address(local.host).version
    return [
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
        f"a=candidate:{version} 1 udp 2130706431 {local.host} {local.port} typ host",
        "a=end-of-candidates",
    ]


def _application() -> list[str]:
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=sctp-port:5000",
        "a=max-message-size:65536",
    ]


def _value(lines: list[str], name: str) -> str:
    prefix = f"a={name}:"
    return next((line[len(prefix) :].strip() for line in lines if line.startswith(prefix)), "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

"""Offers for tests: the captured ones, and one small valid offer to take apart."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "vectors" / "offers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sdp"))

FINGERPRINT = ":".join(["AB"] * 32)
SESSION = ("v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1")
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0",
    "c=IN IP4 0.0.0.0",
    "a=candidate:1 1 udp 2113937151 192.0.2.7 57706 typ host generation 0",
    "a=ice-ufrag:c7hm",
    "a=ice-pwd:fX0xsAPQNXK2yONn8qBpdx7Q",
    f"a=fingerprint:sha-256 {FINGERPRINT}",
    "a=setup:actpass",
    "a=mid:0",
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=recvonly",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=rtcp-fb:111 transport-cc",
    "a=rtcp-fb:* nack",
    "a=fmtp:111 minptime=10;stereo=1",
    "a=rtpmap:63 red/48000/2",
    "a=fmtp:63 111/111",
)
DATA = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "a=ice-ufrag:c7hm",
    "a=ice-pwd:fX0xsAPQNXK2yONn8qBpdx7Q",
    f"a=fingerprint:sha-256 {FINGERPRINT}",
    "a=setup:actpass",
    "a=mid:1",
    "a=sctp-port:5001",
    "a=max-message-size:262144",
)


def load(name: str) -> str:
    """A captured offer with CRLF line ends, as a client sends it."""
    return (FOLDER / f"{name}.sdp").read_text(encoding="utf-8").replace("\n", "\r\n")


def join(*parts: tuple[str, ...]) -> str:
    return "".join(line + "\r\n" for part in parts for line in part)


def small() -> str:
    """A valid offer: one audio m-line and a data channel."""
    return join(SESSION, AUDIO, DATA)


def changed(old: str, new: str) -> str:
    """`small` with every `old` replaced; it must occur."""
    assert old in small()
    return small().replace(old, new)


def without(start: str) -> str:
    """`small` without the lines that begin with `start`; there must be some."""
    lines = small().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(start)]
    assert len(kept) < len(lines)
    return "".join(kept)

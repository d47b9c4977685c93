"""SDP text to lines and attribute values, with limits. Pure; shared by offers and ICE fragments.

Every function either returns or raises `PeerError` 400: nothing that a stranger can write into an
SDP ends in another exception. Control characters are refused here, once, so a value that is echoed
into an answer (a mid, a format list) cannot begin a line of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rtcserver.errors import PeerError

MAX_LINES = 2000
"""A Chromium offer with ten video m-lines has about 900."""
MAX_LINE_CHARS = 4096

_LINE = re.compile(r"[a-z]=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Also what `str.splitlines` takes for a line end: other parsers, such as aiortc's, use that."""
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]+")
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/=_-]+")
"""RFC 8839, section 5.4 knows letters, digits, + and /. Stacks that encode random bytes in base64, with its padding or
in its URL-safe form, write =, - and _, too; browsers take them."""
_ENCODED = re.compile(r"(?:[a-z]+=)?[A-Za-z0-9+/_%-]{40,}={0,2}")
_BLANKS = re.compile(r"[ \t]+")
_CANDIDATE = re.compile(
    r"(?P<foundation>[A-Za-z0-9+/_-]{1,64}) (?P<component>[0-9]{1,3}) (?P<protocol>[A-Za-z0-9]{1,8})"
    r" (?P<priority>[0-9]{1,10}) (?P<address>[A-Za-z0-9.:_-]{1,255}) (?P<port>[0-9]{1,5})"
    r" typ (?P<type>host|srflx|prflx|relay)(?: (?P<rest>.*))?"
)


@dataclass(frozen=True, slots=True)
class SdpLimits:
    """media_lines: m-lines that a description or fragment may have. candidates: those that are kept of it."""

    media_lines: int = 32
    candidates: int = 64


LIMITS = SdpLimits()
"""Where nobody says otherwise."""


def malformed(sentence: str) -> PeerError:
    """The error for text that is not the SDP that it claims to be."""
    return PeerError(400, "malformed_sdp", sentence)


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """An ICE candidate of the peer (RFC 8839, section 5.1).

    address: an IP address, or a ``.local`` name that hides one (mDNS).
    protocol: ``udp`` or ``tcp``. type: ``host``, ``srflx``, ``prflx`` or ``relay``.
    mid: the m-line it was written under, "" if unknown.
    """

    foundation: str
    component: int
    protocol: str
    priority: int
    address: str
    port: int
    type: str
    mid: str = ""


def split_lines(text: str) -> list[tuple[str, str]]:
    """``[(type, value), ...]`` of an SDP text; line ends are CRLF or LF (RFC 8866, section 5).

    Runs of blanks inside a value count as one: some stacks join their words with an empty one in between.
    A byte order mark in front, blank lines, doubled line ends and blanks around a line, which scripts leave, are passed
    over.

    Raises PeerError(400) for empty or overlong text, control characters, and lines that are not
    ``<letter>=<value>``.
    """
    if text.count("\n") > MAX_LINES:
        raise malformed(f"The SDP has more than {MAX_LINES} lines.")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise malformed("The SDP is empty.")
    if (wrapped := _wrapping(text)) is not None:
        raise malformed(wrapped)
    lines: list[tuple[str, str]] = []
    for number, ended in enumerate(text.split("\n"), 1):
        line = ended.rstrip("\r").strip(" \t")
        if not line:
            continue
        if len(line) > MAX_LINE_CHARS:
            raise malformed(f"Line {number} of the SDP is longer than {MAX_LINE_CHARS} characters.")
        if _CONTROL.search(line):
            raise malformed(f"Line {number} of the SDP has a control character.")
        if not _LINE.match(line):
            raise malformed(f'Line {number} of the SDP is not of the form "x=value".')
        value = line[2:]
        if "  " in value or "\t" in value:
            value = _BLANKS.sub(" ", value)
        lines.append((line[0], value.strip()))
    return lines


def _wrapping(text: str) -> str | None:
    """What the text is instead of lines of SDP, as a sentence; None if that cannot be told."""
    begin = text.strip()[:200]
    if begin[0] in "{[":
        return 'This is JSON; the body must be the SDP text alone, the value of its "sdp".'
    if begin[0] in "\"'":
        return "The SDP has quotation marks around it; the body must be the text alone."
    if begin[0] == "<":
        return "This is a page of HTML or XML, not SDP."
    if begin.startswith("v=0\\"):
        return r"The line ends of the SDP are written out, as \r\n; they must be line ends."
    if "\n" not in text.strip():
        if begin.startswith("v=0") and begin != "v=0":
            return "The SDP has lost its line ends (curl keeps them with --data-binary instead of -d)."
        if _ENCODED.fullmatch(text.strip()) or "%0" in text:
            return "This is encoded (base64 or a form); the body must be the SDP text itself."
    return None


def attribute(value: str) -> tuple[str, str]:
    """``name`` and ``value`` of an ``a=`` line; a flag has the value ""."""
    name, _, rest = value.partition(":")
    return name, rest.strip()


def integer(text: str, what: str, maximum: int) -> int:
    """A decimal number of 0 to `maximum`. Raises PeerError(400) that names `what`."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > maximum:
        raise malformed(f"{what} is not a number from 0 to {maximum}.")
    return int(text)


def token(text: str, what: str, maximum_chars: int) -> str:
    """An SDP token (RFC 8866, section 9). Raises PeerError(400) that names `what`."""
    if len(text) > maximum_chars or not _TOKEN.fullmatch(text):
        raise malformed(f"{what} is not a token of at most {maximum_chars} characters.")
    return text


def ice_ufrag(text: str) -> str:
    """A username fragment: 4 to 256 ICE characters (RFC 8839, section 5.4)."""
    if not 4 <= len(text) <= 256 or not _ICE_CHARS.fullmatch(text):
        raise malformed("a=ice-ufrag is not 4 to 256 letters, digits, +, /, =, - or _.")
    return text


def ice_pwd(text: str) -> str:
    """A password: 22 to 256 ICE characters (RFC 8839, section 5.4)."""
    if not 22 <= len(text) <= 256 or not _ICE_CHARS.fullmatch(text):
        raise malformed("a=ice-pwd is not 22 to 256 letters, digits, +, /, =, - or _.")
    return text


def candidate(value: str, mid: str = "") -> RemoteCandidate | None:
    """Parse the value of ``a=candidate``; None if it is of a kind that this server cannot use.

    RFC 8839, section 5.1 lets a receiver ignore candidates that it does not understand, so this
    never raises.
    """
    match = _CANDIDATE.fullmatch(value)
    if match is None:
        return None
    port, component = int(match["port"]), int(match["component"])
    priority = int(match["priority"])
    if port > 65535 or priority >= 1 << 32 or component not in (1, 2):
        return None
    parsed = RemoteCandidate(
        match["foundation"],
        component,
        match["protocol"].lower(),
        priority,
        match["address"],
        port,
        match["type"],
    )
    return replace(parsed, mid=mid) if mid else parsed

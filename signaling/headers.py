"""Reading and writing HTTP headers: hosts, entity tags, CORS, security. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

SDP = "application/sdp"
SDPFRAG = "application/trickle-ice-sdpfrag"

_TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')
_HOST = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|(?P<name>[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?"
)

SELF = "'self'"
"""The source of a content security policy that means the page's own origin."""

POLICY = "Content-Security-Policy"

_POLICY = (
    "default-src 'self'",
    "connect-src 'self'",
    "media-src 'self' blob: mediastream:",
    "img-src 'self' data: blob:",
    "script-src 'self'",  # AudioWorklet modules too
    "worker-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
)

COMPILING = re.compile(r"/static/(?:@[0-9a-f]+/)?studio/engine/worker\.js")
"""The one script that may compile WebAssembly: Studio's worker, for its decoder. A worker that comes from the network has
the policy of its own response (HTML, "run a worker"), so no page needs the right."""

CORS: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After, Accept-Patch, Accept-Post",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def security(frame_ancestors: str = SELF) -> dict[str, str]:
    """The headers of every response.

    frame_ancestors: the origins whose pages may show ours in a frame (Content Security Policy Level 3, section
    6.4.2). There is no ``X-Frame-Options``, which knows no origins.
    """
    own = frame_ancestors in (SELF, "'none'")
    return {
        "Server": "rtcserver",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        POLICY: "; ".join((*_POLICY, f"frame-ancestors {frame_ancestors}")),
        # Together these two make a page cross-origin isolated, which SharedArrayBuffer needs. Workers
        # and worklets need the second on their scripts as well.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        # A page with an embedder policy of its own shows only frames that allow it by this header.
        "Cross-Origin-Resource-Policy": "same-origin" if own else "cross-origin",
    }


def framed(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of `security` that say who may show a page in a frame, for a page with an answer of its own."""
    return {name: headers[name] for name in (POLICY, "Cross-Origin-Resource-Policy")}


def compiling(policy: str) -> str:
    """A content security policy with the right to compile WebAssembly, which is not the right to evaluate text (Content
    Security Policy Level 3, section 4.4)."""
    return policy.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")


def preflight(methods: str) -> dict[str, str]:
    """The headers of an answer to OPTIONS, besides `CORS`: the methods of this address, and the request headers
    that a page of another origin may set (Fetch standard, section 3.2.3)."""
    return {
        "Allow": methods,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Content-Type, If-Match, Authorization, Rtcserver-Mode, Rtcserver-Quality, "
        "Rtcserver-Instead",
        "Access-Control-Max-Age": "86400",
    }


def host_of(host_header: str) -> str:
    """The host that a ``Host`` header names, without its port and brackets (RFC 9110, section 7.2).

    "" for a header that is neither a name nor an address.
    """
    match = _HOST.fullmatch(host_header.strip())
    if match is None:
        return ""
    return match["six"] or match["name"] or ""


def printable(header: str) -> str:
    """A header's text without what cannot be shown: control characters, and bytes that are not UTF-8."""
    if header.isprintable():
        return header
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in header)


def bearer_of(authorization: str) -> str:
    """The token of an ``Authorization: Bearer`` header (RFC 6750, section 2.1); "" if it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def basic_of(authorization: str) -> tuple[str, str]:
    """User and password of an ``Authorization: Basic`` header in UTF-8 (RFC 7617, section 2); both "" if it has none."""
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(coded.strip(), validate=True).decode()
    except ValueError:
        return "", ""
    user, colon, password = text.partition(":")
    return (user, password) if colon else ("", "")


def if_match(header: str | None, etag: str) -> bool:
    """Whether an ``If-Match`` header lets a request through to the resource tagged `etag` (unquoted).

    RFC 9110, section 13.1.1: the header is ``*`` or a list of strong tags. The asterisk may have quotes, as it has
    in the example of an ICE restart in draft-ietf-wish-whep. A request without the header is let through, too, since
    clients that never restart ICE send none; so is one with the tag, but not its quotes.
    """
    if header is None or header.strip() in ("*", '"*"', etag):
        return True
    return any(not match[1] and match[2] == etag for match in _TAG.finditer(header))


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client with this ``Accept-Encoding`` takes a body in gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, bool] = {}
    for one in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in one.split(";"))
        refused = any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters)
        weights[coding] = not refused
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def wants_html(accept: str) -> bool:
    """Whether a client prefers a page to JSON: browsers name text/html when they navigate."""
    return "text/html" in accept.lower()

"""The client's half of WHEP (draft-ietf-wish-whep): find the endpoint, offer, answer, delete."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit, urlunsplit

import aiohttp

from rtcserver.clock import NS, wall_ns
from rtcserver.errors import RtcServerError

MAX_ANSWER = 64 * 1024
BUSY = (429, 503)
"""The statuses after which it makes sense to come again."""
_LINK = re.compile(r"(?:perform|listen)=([\w.~-]+)$")
_ROOM = re.compile(r"^(?P<room>.*/r/[^/]+)/?$")


class ListenError(RtcServerError):
    """The room cannot be listened to. The message is one sentence for a person."""

    again = False
    """Whether it may be otherwise when the same is tried again a little later."""
    retry_after_s = 0.0
    """When the server asks to be tried again; 0 if it does not say."""


class AwayError(ListenError):
    """The server does not answer, or has no place just now."""

    again = True

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


Found = Literal["there", "gone", "silent"]
"""What came of asking for a session: the server has it, has none of that name, or says nothing of use."""


def split_url(url: str) -> SplitResult:
    """The parts of an http(s) URL. Raises ListenError for what is none, also where only its port or brackets are wrong."""
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ListenError(f"{url!r} is no URL: {error}") from error
    if not right:
        raise ListenError(f"{url!r} is no http:// or https:// URL")
    return parts


def endpoint_of(url: str) -> str | None:
    """The WHEP endpoint that belongs to `url`; None where only a request can tell.

    A room page ``…/r/NAME`` becomes ``…/r/NAME/whep``, and a path with a part ``whep`` is an endpoint already. Any
    other may be the root of a server, at whatever prefix a proxy publishes it, or another program's endpoint.
    Raises `ListenError` for what is no http(s) URL.
    """
    parts = split_url(url)
    room = _ROOM.match(parts.path)
    if room is None and "whep" not in parts.path.split("/"):
        return None
    path = f"{room['room']}/whep" if room else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


@dataclass(frozen=True, slots=True)
class WhepSession:
    """endpoint: where the offer went. resource: the session's URL, or "" if the server gave none.

    headers: of the answer, whatever their case. links: its ``Link`` headers.
    """

    endpoint: str
    resource: str
    answer: str
    headers: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = field(default=(), repr=False)


class WhepClient:
    """One HTTP session. `timeout_s` bounds each request. insecure: accept any certificate."""

    def __init__(self, timeout_s: float, *, insecure: bool = False) -> None:
        verify: bool | ssl.SSLContext = not insecure
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s), connector=aiohttp.TCPConnector(ssl=verify)
        )

    async def offer(self, url: str, sdp: str, headers: Mapping[str, str] | None = None) -> WhepSession:
        """Post an offer, with further headers. Raises `ListenError` unless the answer is 201 with an SDP."""
        endpoint = endpoint_of(url) or await self._ask(urldefrag(url).url, _authorization(url))
        sent = {"Content-Type": "application/sdp", **_authorization(url), **(headers or {})}
        try:
            async with self._http.post(endpoint, data=sdp.encode(), headers=sent) as response:
                body = (await response.content.read(MAX_ANSWER)).decode(errors="replace")
                if response.status != 201:
                    said = f"{endpoint} answers {response.status}: {_reason(body) or response.reason}"
                    if response.status == 429 or response.status >= 500:
                        raise AwayError(said, retry_after_s(response))
                    raise ListenError(said)
                location = response.headers.get("Location", "")
                resource = urljoin(str(response.url), location) if location else ""
                links = tuple(response.headers.getall("Link", ()))
                return WhepSession(endpoint, resource, body, response.headers.copy(), links)
        except TimeoutError:
            raise AwayError(f"{endpoint} does not answer in time") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise ListenError(f"{endpoint} cannot be reached: {why_unreachable(error)}") from error
        except aiohttp.ClientError as error:
            raise AwayError(f"{endpoint} cannot be reached: {why_unreachable(error)}") from error

    async def ask(self, session: WhepSession, offer: str, timeout_s: float = 1.0) -> Found:
        """Whether the server still has a session: it is told once more that there are no more candidates (RFC 8840).

        offer: the session's, whose ICE credentials name it. An ICE restart would need others.
        """
        if not session.resource:
            return "silent"
        headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
        if tag := session.headers.get("ETag"):
            headers["If-Match"] = tag
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._http.patch(
                    session.resource, data=_no_more_candidates(offer), headers=headers
                ) as response,
            ):
                if response.status in (404, 410):
                    return "gone"
                return "there" if response.status < 500 else "silent"
        except (aiohttp.ClientError, TimeoutError):
            return "silent"

    async def delete(self, session: WhepSession, timeout_s: float = 2.0) -> None:
        """End the session. A server that does not answer any more has ended it already, or will."""
        if session.resource:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(timeout_s), self._http.delete(session.resource):
                    pass

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, url: str, headers: Mapping[str, str]) -> str:
        """The endpoint behind an address that does not show it: a server's root leads to its only room.

        What answers with no page is taken for an endpoint itself. Raises `ListenError` for a page that is no room's, and
        for a root that does not let in.
        """
        try:
            async with self._http.get(url, headers=headers) as response:
                if response.status in (401, 403) and urlsplit(url).path in ("", "/"):
                    body = (await response.content.read(MAX_ANSWER)).decode(errors="replace")
                    raise ListenError(f"{url} answers {response.status}: {_reason(body) or response.reason}")
                found = endpoint_of(str(response.url))
                is_page = response.status == 200 and response.content_type == "text/html"
        except TimeoutError:
            raise ListenError(f"{url} does not answer in time") from None
        except aiohttp.ClientError as error:
            raise ListenError(f"{url} cannot be reached: {why_unreachable(error)}") from error
        if found is not None:
            return found
        if is_page or urlsplit(url).path in ("", "/"):
            root = urldefrag(url).url.rstrip("/")
            raise ListenError(f"{url} has no room of its own: give the URL of a room, as {root}/r/NAME")
        return url


def _no_more_candidates(offer: str) -> bytes:
    """The fragment that ends an offer's candidates (RFC 8840, section 9)."""
    names = ("a=ice-ufrag:", "a=ice-pwd:")
    credentials = [next((line for line in offer.splitlines() if line.startswith(name)), "") for name in names]
    media = ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", "a=end-of-candidates")
    return "".join(f"{line}\r\n" for line in (*credentials, *media) if line).encode()


def _authorization(url: str) -> dict[str, str]:
    """The header that shows the token of a link, ``#perform=…`` or ``#listen=…``."""
    match = _LINK.match(urldefrag(url).fragment)
    return {"Authorization": f"Bearer {match[1]}"} if match else {}


def why_unreachable(error: Exception) -> str:
    """Why a request did not come through, in words; aiohttp's own would speak of TLS where there is none."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted (--insecure accepts any): {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if cause.errno is not None and not isinstance(cause, ssl.SSLError | socket.gaierror):
            return os.strerror(cause.errno)
        return cause.strerror or str(cause)
    return str(error) or type(error).__name__


def retry_after_s(response: aiohttp.ClientResponse) -> float:
    """What a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), in seconds or as a date; 0 if there is none."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - wall_ns() / NS)
    except ValueError:
        return 0.0


def _reason(body: str) -> str:
    """Why a server refuses: its ``message`` if it answers in JSON, else the beginning of what it says."""
    try:
        said = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = body
    return " ".join(str(said).split())[:200]


def ask_for_stereo(sdp: str) -> str:
    """Add ``stereo=1`` to the Opus format of an offer (RFC 7587, section 6.1); aiortc's has no fmtp."""
    lines = sdp.splitlines()
    types = [match[1] for line in lines if (match := re.match(r"a=rtpmap:([0-9]+) (?i:opus)/48000/2$", line))]
    for payload_type in types:
        prefix = f"a=fmtp:{payload_type} "
        present = [index for index, line in enumerate(lines) if line.startswith(prefix)]
        if present:
            if "stereo=1" not in lines[present[0]]:
                lines[present[0]] += ";stereo=1"
        else:
            rtpmap = next(i for i, line in enumerate(lines) if line.startswith(f"a=rtpmap:{payload_type} "))
            lines.insert(rtpmap + 1, f"{prefix}stereo=1")
    return "\r\n".join(lines) + "\r\n"


def ask_for_repair(sdp: str, *, red: bool) -> str:
    """Add to an offer that lost Opus packets are asked for (RFC 4585, section 4.2), and `red` around it, as browsers do."""
    lines = sdp.splitlines()
    found = [match for line in lines if (match := re.match(r"a=rtpmap:([0-9]+) (?i:opus)/48000/2$", line))]
    for match in found:
        payload_type = int(match[1])
        added = [f"a=rtcp-fb:{payload_type} nack"]
        media = max((i for i, line in enumerate(lines) if line.startswith("m=audio ")), default=None)
        if red and media is not None:
            used = {int(word) for word in re.findall(r"^a=rtpmap:([0-9]+) ", sdp, re.MULTILINE)}
            free = next(number for number in (63, *range(127, 95, -1)) if number not in used)
            lines[media] += f" {free}"
            added += [f"a=rtpmap:{free} red/48000/2", f"a=fmtp:{free} {payload_type}/{payload_type}"]
        at = lines.index(match[0]) + 1
        lines[at:at] = added
    return "\r\n".join(lines) + "\r\n"


def codec_of(sdp: str, payload_type: int) -> str | None:
    """``name/rate/channels`` of a payload type of an SDP (RFC 8866, section 6.6)."""
    match = re.search(rf"^a=rtpmap:{payload_type} (\S+)", sdp, re.MULTILINE)
    return match[1] if match else None


def red_types_of(sdp: str) -> list[int]:
    """The payload types of an SDP that are RED (RFC 2198)."""
    return [int(found) for found in re.findall(r"^a=rtpmap:([0-9]{1,3}) (?i:red)/", sdp, re.MULTILINE)]

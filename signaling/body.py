"""Reading a request's body within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from rtcserver.errors import PeerError
from signaling.limits import Limits


async def read_text(request: web.Request, media_type: str, limits: Limits) -> str:
    """The body as text.

    Raises PeerError: 415 for another content type or a content encoding, 413 beyond
    `Limits.max_body_bytes` (as soon as it is known, with or without Content-Length), 408 beyond
    `Limits.body_s`, 400 if it is not UTF-8.
    """
    return _decode(await read_bytes(request, (media_type,), limits.max_body_bytes, limits))


async def read_bytes(
    request: web.Request, media_types: Sequence[str], max_bytes: int, limits: Limits
) -> bytes:
    """The body as it is. Raises PeerError as `read_text` does, 413 beyond `max_bytes`."""
    if request.content_type.lower() not in media_types:
        raise PeerError(
            415, "wrong_content_type", f"The Content-Type of this request must be {media_types[0]}."
        )
    # A compressed body would be a way around the limit on its size.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise PeerError(415, "wrong_content_encoding", "The body of this request must not be compressed.")
    return await _read(request, max_bytes, limits.body_s)


async def _read(request: web.Request, max_bytes: int, body_s: float) -> bytes:
    too_large = PeerError(413, "too_large", f"The body is larger than {max_bytes} bytes.")
    if request.content_length is not None and request.content_length > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(body_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise PeerError(408, "too_slow", f"The body did not arrive within {body_s:g} seconds.") from None
    except web.RequestPayloadError as error:
        raise PeerError(400, "broken_body", "The body of this request is incomplete.") from error
    return bytes(body)


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PeerError(400, "not_utf8", "The body of this request is not UTF-8 text.") from error

"""Reading a request's body within bounds."""

from __future__ import annotations

import asyncio

from aiohttp import web

from rtcserver.errors import PeerError
from signaling.limits import Limits


async def read_text(request: web.Request, media_type: str, limits: Limits) -> str:
    """The body as text.

    Raises PeerError: 415 for another content type or a content encoding, 413 beyond
    `Limits.max_body_bytes` (as soon as it is known, with or without Content-Length), 408 beyond
    `Limits.body_s`, 400 if it is not UTF-8.
    """
    if request.content_type.lower() != media_type:
        raise PeerError(415, "wrong_content_type", f"The Content-Type of this request must be {media_type}.")
    # A compressed body would be a way around the limit on its size.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise PeerError(415, "wrong_content_encoding", "The body of this request must not be compressed.")
    return _decode(await _read(request, limits))


async def _read(request: web.Request, limits: Limits) -> bytes:
    too_large = PeerError(413, "too_large", f"The body is larger than {limits.max_body_bytes} bytes.")
    if request.content_length is not None and request.content_length > limits.max_body_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limits.max_body_bytes:
                    raise too_large
    except TimeoutError:
        raise PeerError(
            408, "too_slow", f"The body did not arrive within {limits.body_s:g} seconds."
        ) from None
    except web.RequestPayloadError as error:
        raise PeerError(400, "broken_body", "The body of this request is incomplete.") from error
    return bytes(body)


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PeerError(400, "not_utf8", "The body of this request is not UTF-8 text.") from error

"""Responses: JSON, errors, and the two hooks that every request passes."""

from __future__ import annotations

import html
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError
from rtcserver.logs import about
from rtcserver.peer.base import public_handle
from signaling.entrance import AUTHORIZER
from signaling.forwarded import origin_of
from signaling.headers import COMPILING, CORS, POLICY, compiling, wants_html

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

REFUSED: web.AppKey[Callable[[str, str], None]] = web.AppKey("refused")
"""Of an application: called with ``join`` or ``other``, and the code of each refusal."""
OVER: web.RequestKey[Mapping[str, str]] = web.RequestKey("over")
"""Of a request: headers of its answer in the place of those that every answer has."""
_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*")
"""A JSON Web Token, whose head begins with ``{"``."""
_STATUS_WORDS = {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}
_STATUS_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response that nobody caches.

    Names of files and devices need not be UTF-8; Python then has lone surrogates in them (PEP 383), which are no
    Unicode text. Each becomes U+FFFD, the replacement character.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return web.Response(
        text=whole,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_response(
    request: web.Request, error: PeerError, extra: dict[str, str] | None = None
) -> web.Response:
    """``{"error", "message"}`` with the error's status; a small page for a browser that navigates."""
    headers = {"Cache-Control": "no-store", **(extra or {})}
    if error.status == 401:
        headers["WWW-Authenticate"] = _challenges(request)
    elif error.code == "bad_token":
        headers["WWW-Authenticate"] = 'Bearer realm="rtcserver", error="invalid_token"'
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if (
        request.method in ("GET", "HEAD")
        and wants_html(request.headers.get("Accept", ""))
        and not _is_api(request)
    ):
        return web.Response(
            text=_page(error.status, str(error), "../" * (request.rel_url.raw_path.count("/") - 1) or "./"),
            status=error.status,
            content_type="text/html",
            headers=headers,
        )
    return as_json({"error": error.code, "message": str(error)}, error.status, headers)


def _challenges(request: web.Request) -> str:
    """How to show who one is (RFC 9110, section 11.6.1). A script's request is not asked for a password: its browser
    would ask whoever looks at the page, which has links instead."""
    bearer, basic = 'Bearer realm="rtcserver"', 'Basic realm="rtcserver", charset="UTF-8"'
    scripted = request.headers.get("X-Requested-With", "") != ""
    return f"{bearer}, {basic}" if request.app[AUTHORIZER].takes_passwords and not scripted else bearer


def _page(status: int, message: str, root: str) -> str:
    """root: the server's, relative to the address that was asked for."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{status} · rtcserver</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
        '<meta name="color-scheme" content="dark light">'
        f'<link rel="icon" href="{root}static/favicon.svg" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{root}static/style/base.css">'
        f'<link rel="stylesheet" href="{root}static/style/index.css"></head><body><header class="bar">'
        f'<a class="mark" href="{root}" aria-label="rtcserver, all rooms of this server">'
        f'<svg viewBox="0 0 32 32" aria-hidden="true"><use href="{root}static/favicon.svg#mark"></use></svg>'
        f"<span>rtcserver</span></a></header><main><h1>{html.escape(message)}</h1>"
        f'<p class="way-on"><a class="plain" href="{root}">Rooms on this server</a></p></main></body></html>\n'
    )


def _is_api(request: web.Request) -> bool:
    return request.path.startswith("/api/") or _is_whep(request)


def _holds_data(request: web.Request) -> bool:
    return request.path.startswith("/api/") or request.path in ("/metrics", "/healthz")


def _is_whep(request: web.Request) -> bool:
    return request.path.startswith("/r/") and "/whep" in request.path


@web.middleware
async def error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what a handler raises into a response, and logs a request at level DEBUG.

    What is not the client's fault is logged once, with an id that the client gets too. Cancellation
    and broken connections pass: nobody is left to answer.
    """
    info = request.match_info
    session = info.get("session", "")[:64]
    # WHEP names sessions by their ids, which are secrets; administrators by what is shown.
    shown = public_handle(session) if session and _is_whep(request) else session
    with about(room=info.get("room", "")[:64], session=shown):
        return await _logged(request, handler)


async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    begin = monotonic_ns() / NS
    status = 499
    try:
        response = await _guarded(request, handler)
        status = response.status
        return response
    finally:
        if log.isEnabledFor(logging.DEBUG):
            session = request.match_info.get("session")
            log.debug(
                "request method=%s path=%s status=%d ms=%.1f peer=%s",
                request.method,
                _without_secrets(request.path, session or ""),
                status,
                (monotonic_ns() / NS - begin) * 1000,
                origin_of(request).address,
            )


def _without_secrets(path: str, session: str) -> str:
    """A path without a session's id, and without what looks like a token: messengers turn the # of a link into %23."""
    return _TOKEN.sub("…", path.replace(session, "…") if session else path)


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except PeerError as error:
        _count(request, error)
        return error_response(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        word = _STATUS_WORDS.get(error.status, "http_error")
        sentence = _STATUS_SENTENCES.get(error.status, f"{error.reason}.")
        refusal = PeerError(error.status, word, sentence)
        _count(request, refusal)
        return error_response(request, refusal, allow)
    except ConnectionError:
        raise
    except Exception:
        error_id = uuid.uuid4().hex[:12]
        log.exception("error id=%s method=%s route=%s", error_id, request.method, _route(request))
        failure = PeerError(
            500,
            "internal_error",
            f"The server failed on this request; its log has the details under {error_id}.",
        )
        return error_response(request, failure)


def _count(request: web.Request, error: PeerError) -> None:
    refused = request.app.get(REFUSED)
    if refused is not None:
        asked = "join" if request.method == "POST" and _is_whep(request) else "other"
        refused(asked, error.code)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"


class Headers:
    """``on_response_prepare``: the given headers everywhere, CORS for WHEP only: other origins' pages read nothing else."""

    def __init__(self, everywhere: Mapping[str, str]) -> None:
        self._everywhere = everywhere

    async def __call__(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._everywhere)
        response.headers.update(request.get(OVER, {}))
        if _is_whep(request):
            response.headers.update(CORS)
        elif _holds_data(request):
            # Pages of ours may be shown in others' frames; what they ask for is theirs alone all the same.
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        elif COMPILING.fullmatch(request.path):
            response.headers[POLICY] = compiling(response.headers[POLICY])

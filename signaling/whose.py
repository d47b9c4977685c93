"""Whose page: which hosts this server answers to, and whose pages may open a session in it.

A page elsewhere can point its own name at this machine's address (DNS rebinding), and is then of the same origin as
this server's pages; only the ``Host`` header still shows the name. Programs that are no browsers send no ``Origin``.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtcserver.errors import PeerError
from signaling.forwarded import origin_of

ANY = "*"


class Allowed:
    """Hosts and origins. hosts: names besides those of this machine, or `ANY`. origins: such as
    ``https://studio.example``, or `ANY`. Pure but for the machine's own name, read once."""

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self.change(hosts, origins)

    def change(self, hosts: Iterable[str], origins: Iterable[str]) -> None:
        """Let these pass from now on, in the place of those before."""
        own = socket.gethostname().lower()
        self._hosts = {host.lower().rstrip(".") for host in hosts} | {"localhost", own, own.partition(".")[0]}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    def has_host(self, host: str) -> bool:
        """Whether a name is this server's: an address, ``localhost``, a ``.local`` name, its own or a listed one."""
        name = host.lower().rstrip(".")
        if ANY in self._hosts or name in self._hosts or name.endswith((".local", ".localhost")):
            return True
        return _is_address(name)

    def has_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may open sessions at a server that it calls `host` (``name:port``)."""
        text = origin.lower()
        return ANY in self._origins or text in self._origins or (bool(host) and _place(text) == host.lower())


@lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def guard(allowed: Allowed) -> Middleware:
    """A middleware that refuses what is meant for others: 421 (RFC 9110, section 15.5.20) and 403."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Host", "")
        # A request without the header (HTTP/1.0) comes from no browser.
        if sent and not allowed.has_host(origin_of(request).host):
            raise PeerError(
                421,
                "wrong_host",
                "This server is not known by this name. If the name is its own, list it in allowed_hosts.",
            )
        origin = request.headers.get("Origin", "")
        own = request.headers.get("Sec-Fetch-Site", "") == "same-origin"
        if origin and not own and request.method != "GET":
            forwarded = origin_of(request).host
            named = {sent, forwarded} if forwarded else {sent}
            if not any(allowed.has_origin(origin, name) for name in named):
                raise PeerError(
                    403, "wrong_origin", "Pages of this origin may not use this server; see allowed_origins."
                )
        return await handler(request)

    return check

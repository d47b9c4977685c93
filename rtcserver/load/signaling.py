"""Load listeners' signaling: WHEP, on connections that all listeners of a worker share."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from rtcserver.client.whep import ListenError, WhepClient, WhepSession, split_url
from rtcserver.load import sdp
from rtcserver.load.peer import JoinError, Signaling
from rtcserver.load.sdp import Local, Remote

TIMEOUT_S = 10.0


class WhepSignaling:
    """`Signaling` over WHEP. url: a room's page or a WHEP endpoint. insecure: accept any TLS certificate."""

    headers: Mapping[str, str] = MappingProxyType({})
    """Asked for with each offer; the answer has to repeat them."""

    def __init__(self, url: str, *, insecure: bool = False) -> None:
        self._url = url
        self.host = address_of(url)
        self._http = WhepClient(TIMEOUT_S, insecure=insecure)

    async def open(self, local: Local) -> tuple[object, Remote]:
        try:
            session = await self._http.offer(self._url, sdp.offer(local), self.headers)
        except ListenError as error:
            raise JoinError(_short(str(error)), error.retry_after_s) from error
        try:
            for name, value in self.headers.items():
                if session.headers.get(name) != value:
                    raise ValueError(f"the server's answer has no {name}: {value}")
            return session, sdp.parse(session.answer)
        except ValueError as error:
            await self._http.delete(session)
            raise JoinError(str(error)) from error

    async def close(self, handle: object) -> None:
        assert isinstance(handle, WhepSession)
        await self._http.delete(handle)

    async def shut_down(self) -> None:
        await self._http.close()


class StudioSignaling(WhepSignaling):
    """The same, asking for Studio; PROTOCOL.md, "Studio"."""

    headers = MappingProxyType({"Rtcserver-Mode": "studio"})


class LightSignaling(WhepSignaling):
    """The same, asking for Studio light."""

    headers = MappingProxyType({"Rtcserver-Mode": "studio", "Rtcserver-Quality": "light"})


def address_of(url: str) -> str:
    """The IP address of a URL's host. Raises ListenError if it has none."""
    parts = split_url(url)
    try:
        found = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ListenError(f"{parts.hostname} has no address: {error}") from error
    # IPv4 first: a server on "localhost" may be bound to that only.
    return str(min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0])


def make(name: str, url: str, *, insecure: bool = False) -> Signaling:
    """The class that ``module:Class`` names, on `url`; told to be `insecure` only if it is to be."""
    module, _, cls = name.partition(":")
    more = {"insecure": True} if insecure else {}
    signaling: Signaling = getattr(import_module(module), cls)(url, **more)
    return signaling


def _short(text: str) -> str:
    """Without what differs from listener to listener, so that failures can be counted by kind."""
    return text.partition(" answers ")[2] or text

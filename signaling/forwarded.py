"""Where a request comes from: what ``X-Forwarded-For`` and ``X-Forwarded-Host`` say, if a trusted proxy sends them.

``X-Forwarded-Proto`` is not needed: no address that the server gives has a scheme, as all of them are relative.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiohttp import web

from signaling.headers import host_of

OTHERS = (
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Via",
)
"""Other headers that proxies add, mostly to say for whom they ask. What they show here is that a proxy asks."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Origin:
    """address: the client's IP address as text, or "". host: by which it reached this machine, or ""; no port.

    doubtful: whether the address is that of a proxy which is not believed: the client itself may be anywhere.
    """

    address: str
    host: str
    doubtful: bool = False


class Proxies:
    """The addresses and networks whose ``X-Forwarded-*`` headers are believed. Pure.

    Anybody can send these headers, so those of other clients mean nothing.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = [ipaddress.ip_network(text, strict=False) for text in trusted]

    def origin(
        self,
        remote: str,
        host: str,
        forwarded_for: Sequence[str],
        forwarded_host: Sequence[str],
        others: bool = False,
    ) -> Origin:
        """The origin of a request.

        remote: address of the connection's other end. host: the ``Host`` header. forwarded_for, forwarded_host:
        the headers' values, one an occurrence. others: whether `OTHERS` are there. Each proxy adds the address that
        it was called from at the end of ``X-Forwarded-For``; the client is the last one there that is no trusted
        proxy itself.
        """
        address = remote.partition("%")[0]
        if not self._trusted or not self._trusts(_address(address)):
            # A proxy in a network that a rule names would make neighbours of all strangers that it lets through.
            return Origin(address, host_of(host), bool(forwarded_for) or others)
        clients = _values(forwarded_for)
        doubtful = (others or bool(forwarded_for)) and not clients
        for text in reversed(clients):
            found = _address(text)
            if found is None:
                doubtful = True
                break  # "unknown", or nonsense: whatever stands before it cannot be believed
            address = str(found)
            if not self._trusts(found):
                break
        named = [name for text in _values(forwarded_host) if (name := host_of(text))]
        return Origin(address, named[-1] if named else host_of(host), doubtful)

    def _trusts(self, address: IpAddress | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


PROXIES = web.AppKey("proxies", Proxies)
_ORIGIN = web.RequestKey("origin", Origin)


def origin_of(request: web.Request) -> Origin:
    """Where a request to an application comes from, by the application's `PROXIES`. Worked out once a request."""
    found = request.get(_ORIGIN)
    if found is None:
        headers = request.headers
        found = request[_ORIGIN] = request.app[PROXIES].origin(
            request.remote or "",
            headers.get("Host", ""),
            headers.getall("X-Forwarded-For", ()),
            headers.getall("X-Forwarded-Host", ()),
            any(name in headers for name in OTHERS),
        )
    return found


def _values(lines: Sequence[str]) -> list[str]:
    return [text.strip() for line in lines for text in line.split(",") if text.strip()]


def _address(text: str) -> IpAddress | None:
    """An address as proxies write it: with or without brackets and a port."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address

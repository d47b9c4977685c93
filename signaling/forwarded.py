"""Where a request comes from: what ``X-Forwarded-For`` and ``X-Forwarded-Host`` say, if a trusted proxy sends them.

``X-Forwarded-Proto`` and ``-Prefix`` are for the one address that is not relative to what was asked for: a playlist's, which
players keep as a file.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from signaling.headers import host_of, printable

PREFIX = re.compile(r"(/[\w.~-]{1,64}){0,8}/?", re.ASCII)
"""A path that a proxy cuts off; others than plain ones are not believed."""

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
    root: URL of the server as its client has it, without a slash at the end; "" if the client does not say by which name.
    """

    address: str
    host: str
    doubtful: bool = False
    root: str = field(default="", compare=False)


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
        *,
        scheme: str = "http",
        forwarded_proto: Sequence[str] = (),
        forwarded_prefix: Sequence[str] = (),
    ) -> Origin:
        """The origin of a request.

        remote: address of the connection's other end. host: the ``Host`` header. forwarded_for, forwarded_host:
        the headers' values, one an occurrence.
        scheme: of the connection. others: whether `OTHERS` are there. Each proxy adds the address that
        it was called from at the end of ``X-Forwarded-For``; the client is the last one there that is no trusted
        proxy itself.
        """
        address = remote.partition("%")[0]
        if not self._trusted or not self._trusts(_address(address)):
            # A proxy in a network that a rule names would make neighbours of all strangers that it lets through.
            root = f"{scheme}://{host.strip()}" if host_of(host) else ""
            return Origin(address, host_of(host), bool(forwarded_for) or others, root)
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
        named = [text for text in (host, *_values(forwarded_host)) if host_of(text)]
        if not named:
            return Origin(address, "", doubtful)
        schemes = [text for text in (scheme, *_values(forwarded_proto)) if text in ("http", "https")]
        prefixes = [text for text in ("", *_values(forwarded_prefix)) if PREFIX.fullmatch(text)]
        root = f"{schemes[-1]}://{named[-1].strip()}{prefixes[-1].rstrip('/')}"
        return Origin(address, host_of(named[-1]), doubtful, root)

    def _trusts(self, address: IpAddress | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


PROXIES = web.AppKey("proxies", Proxies)
_ORIGIN = web.RequestKey("origin", Origin)


def local_address(request: web.Request) -> str:
    """The address of this machine that a request arrived on (`rtcserver.peer.base.PeerRequest`).

    Sockets of either family have host and port; IPv6 ones flow and scope, too.
    """
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    if not isinstance(name, tuple):
        return ""
    host = str(name[0]).partition("%")[0]
    return f"{host}%{name[3]}" if len(name) == 4 and name[3] else host


def agent_of(request: web.Request) -> str:
    """What the program that asks calls itself, bounded; "" if it does not say."""
    return printable(request.headers.get("User-Agent", "")[:200])


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
            scheme="https" if request.secure else "http",
            forwarded_proto=headers.getall("X-Forwarded-Proto", ()),
            forwarded_prefix=headers.getall("X-Forwarded-Prefix", ()),
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

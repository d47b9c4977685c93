"""Whom an IP address stands for, when something is counted by address. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from rtcserver.access.rules import lies_in

IPV6_PREFIX = 64
"""A household or a machine has a whole /64 of IPv6 addresses, and may change among them (RFC 8981)."""


@lru_cache(maxsize=1024)
def client_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one. Kept, as clients come again.

    address: as text, perhaps with a zone. What is no address is returned as it is.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), IPV6_PREFIX), strict=False))


class Shared:
    """Addresses and networks that many clients share: proxies, gateways, this machine itself."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(str(ipaddress.ip_network(text, strict=False)) for text in networks)

    def has(self, address: str) -> bool:
        """Whether nothing is counted by this address. An unknown one, "", is shared by all who have none."""
        return not address or lies_in(address, self._networks)

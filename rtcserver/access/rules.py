"""Rules: which actions, in which rooms, from which networks, with what shown or without. Pure.

A request passes when one rule lets it pass. Without rules of the operator's own, `DEFAULT` applies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ACTIONS = ("listen", "perform", "record", "publish", "read", "admin")
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    # RFC 1918, RFC 3927, RFC 4193, RFC 4291 (section 2.5.6), and loopback.
    "private": (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ),
    "any": ("0.0.0.0/0", "::/0"),
}
"""Names that stand for networks."""

_KEYS = ("actions", "rooms", "networks", "token", "external")


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One rule. rooms: names; empty for all, and for the server as a whole. networks: CIDR. token: one is needed, or a
    user's password. external: `auth_url` decides."""

    actions: tuple[str, ...]
    rooms: tuple[str, ...] = ()
    networks: tuple[str, ...] = NETWORKS["any"]
    token: bool = False
    external: bool = False

    def is_for(self, action: str, room: str | None) -> bool:
        """Whether the rule says anything of this action there."""
        return action in self.actions and (not self.rooms or room in self.rooms)

    def has(self, address: str) -> bool:
        """Whether an address lies in its networks; "" (unknown) lies in none but all."""
        return self.is_open or lies_in(address, self.networks)

    @property
    def is_open(self) -> bool:
        """Whether its networks are the whole world's."""
        return set(NETWORKS["any"]) <= set(self.networks)

    @property
    def is_wide(self) -> bool:
        """Whether one of its networks is a great part of the world."""
        return any(map(is_wide, self.networks))


def network_of(text: str) -> str:
    """An address or a network as a network. One of IPv4 addresses mapped into IPv6 (RFC 4291, section 2.5.5.2) is that of
    IPv4, as addresses are compared so. Raises ValueError."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return str(network)
    return f"{mapped}/{network.prefixlen - 96}"


def is_wide(network: str) -> bool:
    """Whether a network is larger than any that somebody has: a great part of the world."""
    return ipaddress.ip_network(network).prefixlen < 8 and network not in NETWORKS["private"]


@lru_cache(maxsize=1024)
def lies_in(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of these networks. Kept, as the same clients ask with every request."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(network) for network in networks)


DEFAULT = (
    AccessRule(("listen", "read"), networks=NETWORKS["private"]),
    AccessRule(ACTIONS, token=True),
)
"""Listening and looking are open to this machine and private networks; whoever has a token may do what it says."""

EXTERNAL = (
    AccessRule(ACTIONS, token=True),
    AccessRule(ACTIONS, external=True),
)
"""What applies without rules where there is an `auth_url`: it is asked about all that no token lets pass."""


def parse(tables: Any, rooms: Sequence[str], *, elsewhere: bool = False) -> tuple[AccessRule, ...]:
    """The rules of ``[[access]]`` tables. elsewhere: whether there is an `auth_url`.

    Raises ValueError with the rule's number, its key and what is allowed.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("access must be tables such as [[access]]")
    if not tables:
        raise ValueError("access has no rule: nobody could do anything; leave it out for the usual rules")
    rules = tuple(_rule(number, table, rooms) for number, table in enumerate(tables, 1))
    for number, rule in enumerate(rules, 1):
        if rule.external and not elsewhere:
            raise ValueError(f"access rule {number}: it can never match: there is no auth_url")
    if elsewhere and not any(rule.external for rule in rules):
        raise ValueError("auth_url is never asked: no access rule has external = true")
    return rules


def _rule(number: int, table: Mapping[str, Any], rooms: Sequence[str]) -> AccessRule:
    where = f"access rule {number}"
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{where}: there is no key {key}; allowed are {', '.join(_KEYS)}")
    actions = _texts(where, table, "actions")
    if not actions:
        raise ValueError(f"{where}: it can never match: actions names none of {', '.join(ACTIONS)}")
    for action in actions:
        if action not in ACTIONS:
            raise ValueError(f'{where}: "{action}" is no action; allowed are {", ".join(ACTIONS)}')
    named = _texts(where, table, "rooms")
    if "rooms" in table and not named:
        raise ValueError(f"{where}: it can never match: rooms is empty; leave it out for all rooms")
    for room in named:
        if room not in rooms:
            raise ValueError(f'{where}: it can never match: there is no room "{room}"')
    networks: list[str] = []
    for text in _texts(where, table, "networks") if "networks" in table else ("any",):
        networks += NETWORKS.get(text) or [_network(where, text)]
    if not networks:
        raise ValueError(f"{where}: it can never match: networks is empty; leave it out for all")
    token, external = _flag(where, table, "token"), _flag(where, table, "external")
    if token and external:
        raise ValueError(f"{where}: either token or external; write two rules for either of them to let pass")
    return AccessRule(actions, named, tuple(networks), token, external)


def _flag(where: str, table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{where}: {key} is true or false")
    return value


def _network(where: str, text: str) -> str:
    try:
        return network_of(text)
    except ValueError:
        raise ValueError(
            f'{where}: "{text}" is no network; allowed are {", ".join(NETWORKS)} and such as 10.1.0.0/16'
        ) from None


def _texts(where: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f'{where}: {key} is a list of texts, such as ["listen"]')
    return tuple(value)

"""The addresses that are offered to a client, and their candidate lines (RFC 8839, section 5.1). Pure but for
asking the system (`machine_addresses`, `Reach.of`).

Everything is a host candidate of one component: the server gathers nothing, it knows. In this order,
each address once:

1. the host that the client used for signaling, when it is an address or resolves to one: it got there once
   already. This is what makes a container work with no configuration.
2. the address of this machine that its request arrived on: the one that is left on a direct cable (169.254/16),
   opened by a ``.local`` name that nobody here can resolve.
3. `public_host`
4. the machine's own addresses, without loopback, link-local, and those of container bridges

With `public_media_port`, somebody translates ports: then only 1. and 3. are offered, with that port, and 2. only
when there is neither. A server that is bound to one address offers that one and `public_host`.

The first of these addresses are offered again for TCP (RFC 6544), last in priority, for clients that no UDP reaches
(`by_tcp`).

Loopback addresses are for a client on this machine. Link-local IPv6 ones are for nobody: they mean nothing without
an interface, which a candidate cannot name (RFC 8839 has no zone ids, and browsers leave such candidates out). A
client that came by one gets the IPv4 link-local addresses of the interface that it came by.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import ifaddr

from rtcserver.transport.resolver import IpAddress, literal

MAX_CANDIDATES = 12
MAX_TCP_CANDIDATES = 6
"""Addresses that are offered for TCP, too: a browser opens a connection to each, from each of its own."""

_TYPE_PREFERENCE_HOST = 126  # RFC 8445, section 5.1.2.2
_TYPE_PREFERENCE_HOST_TCP = 90
"""Below every UDP type that there is but relayed ones (RFC 6544, section 4.2); peer-reflexive UDP is 110."""
_DIRECTION_PASSIVE = 4
"""RFC 6544, section 4.2, for a host candidate."""
_BRIDGES = re.compile(
    r"(?:docker|lxcbr|lxdbr|virbr|cni|podman|cni-podman)[0-9]+|docker_gwbridge|br-[0-9a-f]{12}|veth.*|flannel.*|cali.*"
)
"""Names that container engines and libvirt give to their bridges. A bridge of people's own, as OpenWrt's ``br-lan``,
is a network like any other."""


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of this machine, and the name and index of its interface."""

    interface: str
    address: IpAddress
    index: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a client reached signaling; "" where that is not known.

    host: the name or address that it used. local: the address of this machine that its request arrived on, as
    text; a link-local IPv6 one with its interface index, as in ``fe80::1%2``. remote: the client's own address.
    """

    host: str = ""
    local: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class HostCandidate:
    """A host candidate. `index` is its place in the order of preference, from 0. tcp: for TCP, passive, and not for UDP."""

    address: IpAddress
    port: int
    index: int
    tcp: bool = False

    @property
    def priority(self) -> int:
        """RFC 8445, section 5.1.2.1, with a local preference that falls by the order; RFC 6544, section 4.2, for TCP."""
        if self.tcp:
            local = (_DIRECTION_PASSIVE << 13) | (8191 - self.index)
            return (_TYPE_PREFERENCE_HOST_TCP << 24) | (local << 8) | (256 - 1)
        return (_TYPE_PREFERENCE_HOST << 24) | ((65535 - self.index) << 8) | (256 - 1)

    @property
    def line(self) -> str:
        """The value of an ``a=`` line, without ``a=`` (RFC 8839, section 5.1; RFC 6544, section 4.5)."""
        if self.tcp:
            foundation = MAX_CANDIDATES + self.index + 1
            return f"candidate:{foundation} 1 tcp {self.priority} {self.address} {self.port} typ host tcptype passive"
        return f"candidate:{self.index + 1} 1 udp {self.priority} {self.address} {self.port} typ host"


def machine_addresses() -> list[InterfaceAddress]:
    """All addresses of this machine, in the order of its interfaces. A few system calls; does not block."""
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            found.append(InterfaceAddress(adapter.name, address, adapter.index or 0))
    return found


def usable(addresses: Iterable[InterfaceAddress], *, bridges: bool = False) -> list[IpAddress]:
    """Those that another machine may reach; IPv4 first. `bridges` keeps those of container bridges."""
    return list(_usable(tuple(addresses), bridges))


@lru_cache(maxsize=8)
def _usable(addresses: tuple[InterfaceAddress, ...], bridges: bool) -> tuple[IpAddress, ...]:
    """`usable`, kept: the machine's addresses are the same for many joins."""
    chosen = [
        a.address
        for a in addresses
        if not a.address.is_loopback
        and not a.address.is_link_local
        and not a.address.is_unspecified
        and (bridges or not _BRIDGES.fullmatch(a.interface))
    ]
    return tuple(sorted(chosen, key=lambda address: address.version))


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the media port can be reached.

    port: its UDP port. public: the port that somebody forwards to it; 0 if nobody translates. bound: the one
    address that it is open on; None for all. families: the IP versions that it is open for.
    """

    port: int
    public: int = 0
    bound: IpAddress | None = None
    families: frozenset[int] = frozenset({4, 6})

    @classmethod
    def of(cls, sockets: Sequence[socket.socket], public: int = 0) -> Reach:
        """That of these bound sockets, one a family."""
        addresses = [ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]) for sock in sockets]
        bound = next((address for address in addresses if not address.is_unspecified), None)
        families = frozenset(address.version for address in addresses)
        return cls(sockets[0].getsockname()[1], public, bound, families)


def choose(
    reach: Reach,
    *,
    arrival: Arrival,
    signaling: Iterable[IpAddress],
    public: Iterable[IpAddress],
    machine: Sequence[InterfaceAddress],
    bridges: bool = False,
) -> list[HostCandidate]:
    """The candidates in order, deduplicated, at most `MAX_CANDIDATES`; none if this client can reach none.

    signaling, public: what the client's host and `public_host` resolved to. machine: all addresses of this machine.
    bridges: see `usable`. The families of the port limit this machine's own addresses only: what is in front of it
    may translate.
    """
    host, remote = literal(arrival.host), literal(arrival.remote)
    # A name may stand for all addresses of this machine, those of a cable that the client is not on among them.
    signaling = [a for a in signaling if not a.is_link_local or a == host]
    arrived = [a for a in _arrived(arrival.local, machine) if a.version in reach.families]
    if reach.public:
        wanted = [*signaling, *public] or arrived
    elif reach.bound is not None:
        wanted = [reach.bound, *public]
    else:
        own = [a for a in usable(machine, bridges=bridges) if a.version in reach.families]
        wanted = [*signaling, *arrived, *public, *own]
    reachable = _reachable(wanted, from_this_machine=remote is not None and remote.is_loopback)
    return [
        HostCandidate(address, reach.public or reach.port, index)
        for index, address in enumerate(list(dict.fromkeys(reachable))[:MAX_CANDIDATES])
    ]


def by_tcp(candidates: Sequence[HostCandidate], port: int) -> list[HostCandidate]:
    """The same addresses for TCP at `port`, `MAX_TCP_CANDIDATES` at most."""
    return [replace(each, port=port, tcp=True) for each in candidates[:MAX_TCP_CANDIDATES]]


def _arrived(local: str, machine: Iterable[InterfaceAddress]) -> list[IpAddress]:
    """The address that a request arrived on; instead of a link-local IPv6 one, the IPv4 ones of its cable."""
    address = literal(local)
    if address is None or address.version == 4 or not address.is_link_local:
        return [] if address is None else [address]
    index = local.partition("%")[2]
    return [
        a.address
        for a in machine
        if a.address.version == 4 and a.address.is_link_local and str(a.index) == index
    ]


def _reachable(addresses: Iterable[IpAddress], *, from_this_machine: bool) -> Iterator[IpAddress]:
    for address in addresses:
        if address.version == 6 and address.is_link_local:
            continue
        if from_this_machine or not address.is_loopback:
            yield address

"""The addresses that are offered to a client, and their candidate lines (RFC 8839, section 5.1).

Everything is a host candidate of one component: the server gathers nothing, it knows. In this order,
each address once:

1. the host that the client used for signaling, when it is an address or resolves to one within a second:
   it got there once already. This is what makes a container work with no configuration.
2. `public_host`
3. the machine's own addresses, without loopback, link-local, and those of container bridges

With `public_media_port`, somebody translates ports: then only 1. and 2. are offered, with that port.
Loopback addresses are offered only to a client that came by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import ifaddr

MAX_CANDIDATES = 12
RESOLVE_TIMEOUT_S = 1.0
_RESOLVING_AT_ONCE = 4
_CACHE_NAMES = 64
_THREADS = threading.BoundedSemaphore(_RESOLVING_AT_ONCE)
"""Lookups that the system's resolver has not finished yet, whether anybody still waits for them or not."""

_TYPE_PREFERENCE_HOST = 126  # RFC 8445, section 5.1.2.2
_BRIDGES = re.compile(r"^(docker|br-|veth|virbr|lxcbr|lxdbr|cni|flannel|podman|cali)")
_HOST_NAME = re.compile(r"^[A-Za-z0-9._-]{1,253}$")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of this machine and the name of its interface."""

    interface: str
    address: IpAddress


@dataclass(frozen=True, slots=True)
class HostCandidate:
    """A host candidate. `index` is its place in the order of preference, from 0."""

    address: IpAddress
    port: int
    index: int

    @property
    def priority(self) -> int:
        """RFC 8445, section 5.1.2.1, with a local preference that falls by the order."""
        return (_TYPE_PREFERENCE_HOST << 24) | ((65535 - self.index) << 8) | (256 - 1)

    @property
    def line(self) -> str:
        """The value of an ``a=`` line, without ``a=``."""
        return f"candidate:{self.index + 1} 1 udp {self.priority} {self.address} {self.port} typ host"


def machine_addresses() -> list[InterfaceAddress]:
    """All addresses of this machine, in the order of its interfaces. A few system calls; does not block."""
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            found.append(InterfaceAddress(adapter.name, ipaddress.ip_address(text.partition("%")[0])))
    return found


def usable(addresses: Iterable[InterfaceAddress], *, bridges: bool = False) -> list[IpAddress]:
    """Those that another machine may reach; IPv4 first. `bridges` keeps those of container bridges."""
    chosen = [
        a.address
        for a in addresses
        if not a.address.is_loopback
        and not a.address.is_link_local
        and not a.address.is_unspecified
        and (bridges or not _BRIDGES.match(a.interface))
    ]
    return sorted(chosen, key=lambda address: address.version)


def choose(
    *,
    signaling: Iterable[IpAddress],
    public: Iterable[IpAddress],
    machine: Iterable[IpAddress],
    media_port: int,
    public_media_port: int = 0,
    families: frozenset[int] = frozenset({4, 6}),
) -> list[HostCandidate]:
    """The candidates in order, deduplicated, at most `MAX_CANDIDATES`.

    signaling, public: what the client's host and `public_host` resolved to. families: IP versions that
    the port is open for, which limits `machine` only: what is in front of it may translate.
    """
    port = public_media_port or media_port
    wanted: list[tuple[IpAddress, int]] = [(address, port) for address in (*signaling, *public)]
    if not public_media_port:
        wanted += [(address, media_port) for address in machine if address.version in families]
    out: list[HostCandidate] = []
    for address, number in dict.fromkeys(wanted):
        if len(out) == MAX_CANDIDATES:
            break
        out.append(HostCandidate(address, number, len(out)))
    return out


def literal(host: str) -> IpAddress | None:
    """`host` as an address if it is one. The unspecified address means this machine: loopback."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if address.is_unspecified:
        return ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    if address.is_multicast:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


Lookup = Callable[[str], Awaitable[list[str]]]


async def system_lookup(name: str) -> list[str]:
    """The addresses of a name, from the system's resolver. Raises OSError, also when it is too busy.

    In a daemon thread of its own: the resolver may take half a minute over a name that a stranger has
    sent, and neither other users of the loop's executor nor the end of the server wait for that.
    """
    if not _THREADS.acquire(blocking=False):
        raise OSError("too many names are being resolved")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | OSError | UnicodeError) -> None:
        if answer.done():
            return
        if isinstance(found, list):
            answer.set_result(found)
        else:
            answer.set_exception(found)

    def look_up() -> None:
        found: list[str] | OSError | UnicodeError
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)]
        except (OSError, UnicodeError) as error:
            found = error
        _THREADS.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=look_up, name="resolver", daemon=True).start()
    return await answer


class Resolver:
    """Host names to addresses, within a second, a few at a time, remembered for a minute.

    The names come from clients (``Host`` headers): what takes too long, or is one too many at once,
    resolves to nothing.
    """

    def __init__(self, lookup: Lookup = system_lookup, *, keep_ns: int = 60_000_000_000) -> None:
        self._lookup = lookup
        self._keep_ns = keep_ns
        self._cache: dict[str, tuple[int, list[IpAddress]]] = {}
        self._running = 0

    async def resolve(self, host: str, now_ns: int) -> list[IpAddress]:
        """The addresses of `host`, a literal or a name; empty if there are none in time. Never raises."""
        if not host:
            return []
        address = literal(host)
        if address is not None:
            return [address]
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
        if not _HOST_NAME.match(name):
            return []
        cached = self._cache.get(name)
        if cached is not None and now_ns - cached[0] < self._keep_ns:
            return cached[1]
        if self._running >= _RESOLVING_AT_ONCE:
            return []
        self._running += 1
        try:
            texts = await asyncio.wait_for(self._lookup(name), RESOLVE_TIMEOUT_S)
        except (OSError, TimeoutError, UnicodeError):
            texts = []
        finally:
            self._running -= 1
        found = [a for text in texts if (a := literal(text)) is not None and not a.is_link_local]
        found = sorted(dict.fromkeys(found), key=lambda a: a.version)
        if len(self._cache) >= _CACHE_NAMES:
            del self._cache[next(iter(self._cache))]
        self._cache[name] = (now_ns, found)
        return found

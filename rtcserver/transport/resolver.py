"""Host names and address literals to addresses: what clients call this machine, and `public_host`.

A name comes from a ``Host`` header, so from anybody: each lookup is bounded in time, and so is their number.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache

from rtcserver.errors import ConfigError

RESOLVE_TIMEOUT_S = 1.0
CHECK_TIMEOUT_S = 5.0
"""How long the start of the server waits for the names of `public_host`."""
_RESOLVING_AT_ONCE = 4
_CACHE_NAMES = 64
_THREADS = threading.BoundedSemaphore(_RESOLVING_AT_ONCE)
"""Lookups that the system's resolver has not finished yet, whether anybody still waits for them or not."""
_HOST_NAME = re.compile(r"^[A-Za-z0-9._-]{1,253}$")
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

log = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
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

    Names may come from clients (``Host`` headers): what takes too long, or is one too many at once,
    resolves to nothing. Whoever asks for a name that is being asked for shares the answer.
    """

    def __init__(self, lookup: Lookup = system_lookup, *, keep_ns: int = 60_000_000_000) -> None:
        self._lookup = lookup
        self._keep_ns = keep_ns
        self._cache: dict[str, tuple[int, list[IpAddress]]] = {}
        self._asking: dict[str, asyncio.Task[list[IpAddress]]] = {}

    async def resolve(self, host: str, now_ns: int) -> list[IpAddress]:
        """The addresses of `host`, a literal or a name; empty if there are none in time. Never raises.

        While the resolver is out of order, a name keeps the addresses that it had.
        """
        known = _known(host)
        if known is not None:
            return known
        name = _plain(host)
        cached = self._cache.get(name)
        if cached is not None and now_ns - cached[0] < self._keep_ns:
            return cached[1]
        before = cached[1] if cached is not None else []
        asking = self._asking.get(name)
        if asking is None:
            if len(self._asking) >= _RESOLVING_AT_ONCE:
                return before
            asking = asyncio.get_running_loop().create_task(self._ask(name, before, now_ns))
            self._asking[name] = asking
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(asking)

    async def check(self, key: str, hosts: Iterable[str], now_ns: int) -> None:
        """Resolve each of `hosts`, the value of a configuration key. Raises ConfigError for a name that does not exist.

        A resolver that cannot be asked (a machine whose network is not up yet) is no mistake of the configuration:
        it is logged, and the name is resolved again when it is needed.
        """
        for host in hosts:
            if _known(host):
                continue
            name = _plain(host)
            try:
                found = await asyncio.wait_for(_addresses_of(name, self._lookup), CHECK_TIMEOUT_S)
            except (OSError, TimeoutError, UnicodeError) as error:
                if not _no_such_name(error):
                    why = str(error) or "no answer"
                    log.warning("%s = %s: this name cannot be resolved at present: %s", key, host, why)
                    continue
                found = []
            if not found:
                raise ConfigError(
                    f'{key} = "{host}": nobody knows an address of this name; '
                    "give one that listeners can resolve, or an address"
                )
            self._remember(name, found, now_ns)

    async def _ask(self, name: str, before: list[IpAddress], now_ns: int) -> list[IpAddress]:
        try:
            found = await asyncio.wait_for(_addresses_of(name, self._lookup), RESOLVE_TIMEOUT_S)
        except (OSError, TimeoutError, UnicodeError) as error:
            found = [] if _no_such_name(error) else before
        self._remember(name, found, now_ns)
        return found

    def _remember(self, name: str, found: list[IpAddress], now_ns: int) -> None:
        self._cache.pop(name, None)
        if len(self._cache) >= _CACHE_NAMES:
            del self._cache[next(iter(self._cache))]
        self._cache[name] = (now_ns, found)


def _plain(host: str) -> str:
    return host.rstrip(".").lower()


def _known(host: str) -> list[IpAddress] | None:
    """What needs no lookup: a literal, this machine's name for itself, and what can be no name. None for a name."""
    address = literal(host)
    if address is not None:
        return [address]
    name = _plain(host)
    if name == "localhost" or name.endswith(".localhost"):
        return [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    return None if _HOST_NAME.match(name) else []


async def _addresses_of(name: str, lookup: Lookup) -> list[IpAddress]:
    """What a name resolves to; IPv4 first. Raises OSError, UnicodeError."""
    found = [address for text in await lookup(name) if (address := literal(text)) is not None]
    return sorted(dict.fromkeys(found), key=lambda address: address.version)


def _no_such_name(error: Exception) -> bool:
    """Whether a resolver has said so; otherwise it could not be asked."""
    return isinstance(error, UnicodeError) or (
        isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME
    )

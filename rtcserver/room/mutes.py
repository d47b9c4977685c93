"""Who is muted stays muted when they come back: by the address and the right that they performed with. Pure."""

from __future__ import annotations

from collections import OrderedDict

from rtcserver.access.address import client_of
from rtcserver.access.door import Grant
from rtcserver.clock import NS

KEPT_S = 3_600
"""A mute that nobody ended is forgotten so long after it was set."""
MAX_KEPT = 256
"""Mutes of a room that are kept; of more, the oldest is forgotten."""


class Mutes:
    """Mutes of one room, each until a monotonic time.

    A page that changes to Studio or is loaded again is another session. So are others at the same address who perform by
    the same link: they begin muted, too, which the desk shows and ends.
    """

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def set(self, address: str, grant: Grant, on: bool, now_ns: int) -> None:
        """Whether who performs from there by this right is muted from now on."""
        key = _key(address, grant)
        self._until.pop(key, None)
        if on:
            self._until[key] = now_ns + KEPT_S * NS
            if len(self._until) > MAX_KEPT:
                self._until.popitem(last=False)

    def has(self, address: str, grant: Grant, now_ns: int) -> bool:
        """Whether who performs from there by this right is muted."""
        return self._until.get(_key(address, grant), 0) > now_ns


def _key(address: str, grant: Grant) -> tuple[str, str, str]:
    return client_of(address), grant.by, grant.name

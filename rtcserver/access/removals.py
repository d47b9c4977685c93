"""Who was removed from a room, and is not let in again at once. Pure; the time comes in.

A removed page is told to stay away (PROTOCOL.md, "leaving"), but players come back by themselves, and so does a page whom
the message did not reach. So the same client, by its address, its right to listen and what it calls itself, is refused for
`SETTLE_S`. Whoever is kept out is refused for `KEEP_OUT_S`, by address and right alone: another browser does not help.
Where many share an address, or it is not known whose it is, nothing is remembered.
"""

from __future__ import annotations

from collections import OrderedDict

from rtcserver.access.address import client_of
from rtcserver.access.door import Grant
from rtcserver.clock import NS
from rtcserver.errors import PeerError

SETTLE_S = 5
KEEP_OUT_S = 600
MAX_REMEMBERED = 1024
"""Removals that are remembered; of more, the oldest is forgotten."""

_Key = tuple[str, str, str, str]


class Removals:
    """Removed clients of all rooms, each until a monotonic time."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[_Key, str | None], int] = OrderedDict()

    def add(self, room: str, address: str, grant: Grant, agent: str, *, keep_out: bool, now_ns: int) -> None:
        """Remember who was removed. agent: the User-Agent header that their session was asked for with."""
        key = _key(room, address, grant), None if keep_out else agent
        self._until.pop(key, None)
        self._until[key] = now_ns + (KEEP_OUT_S if keep_out else SETTLE_S) * NS
        if len(self._until) > MAX_REMEMBERED:
            self._until.popitem(last=False)

    def check(self, room: str, address: str, grant: Grant, agent: str, now_ns: int) -> None:
        """Raises PeerError(403) for one who was removed from this room a moment ago, or is kept out of it."""
        if not self._until:
            return
        key = _key(room, address, grant)
        ends_ns = max(self._until.get((key, one), 0) for one in (None, agent))
        if ends_ns > now_ns:
            wait_s = -(-(ends_ns - now_ns) // NS)
            when = f"{wait_s} s" if wait_s < 60 else f"{-(-wait_s // 60)} min"
            sentence = f"A performer removed you from this room. It is open to you again in {when}."
            raise PeerError(403, "removed", sentence, retry_after_s=wait_s)


def _key(room: str, address: str, grant: Grant) -> _Key:
    return room, client_of(address), grant.by, grant.name

"""What "full" means: every bound on how many there may be of something, and what one more is told. Pure.

Whoever counts something asks here before it counts one more. Every refusal is a 503 that names the same time to
come again.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass

from rtcserver.errors import PeerError

RETRY_AFTER_S = 5
"""When to come again, in whatever way the server is full."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many there may be of each.

    opening: offers being answered at the same time. connecting, connecting_per_address: sessions that are
    answered, but not connected yet, in all and by client address. shared_addresses: addresses and networks of
    proxies and gateways, which have no bound of their own. studio: a room's Studio listeners, 0 turns Studio off.
    studio_channel: those among them that listen by a DataChannel, in all rooms together, as each costs the
    server's event loop some percent. connections: open TCP connections.
    """

    listeners: int = 2000
    opening: int = 64
    connecting: int = 512
    connecting_per_address: int = 64
    shared_addresses: tuple[str, ...] = ()
    studio: int = 8
    studio_channel: int = 8
    connections: int = 2048


class Admission:
    """Decides whether one more may come in. Each method raises PeerError if not, and counts that in `refused`."""

    def __init__(self, places: Places | None = None) -> None:
        self.places = places or Places()
        self.refused: Counter[str] = Counter()
        self._shared = [ipaddress.ip_network(text, strict=False) for text in self.places.shared_addresses]

    def opening(self, present: int) -> None:
        """One more offer to answer."""
        if present >= self.places.opening:
            raise self._full("opening", "busy", "Too many listeners are joining at this moment.")

    def listener(self, present: int) -> None:
        """One more listener, in any room."""
        if present >= self.places.listeners:
            raise self._full(
                "listeners", "full", f"All {self.places.listeners} places of this server are taken."
            )

    def connecting(self, present: int, present_there: int = 0, address: str = "") -> None:
        """One more that is to connect, from `address` ("" if unknown), where `present_there` are under way."""
        if present >= self.places.connecting:
            raise self._full("connecting", "busy", "Too many clients are connecting at this moment.")
        if address and present_there >= self.places.connecting_per_address and not self._is_shared(address):
            raise self._full(
                "connecting_per_address",
                "busy",
                "Too many clients are connecting from your address at this moment.",
            )

    def studio(self, present: int, by_channel: int | None = None) -> None:
        """One more Studio listener of a room.

        by_channel: how many listen by a DataChannel in all rooms, if this one would, too.
        """
        if self.places.studio == 0:
            raise PeerError(422, "studio_unavailable", "Studio is turned off on this server.")
        if by_channel is not None and by_channel >= self.places.studio_channel:
            raise self._full(
                "studio_channel",
                "studio_full",
                f"All {self.places.studio_channel} places for browsers without Encoded Transforms are taken.",
            )
        if present >= self.places.studio:
            raise self._full(
                "studio",
                "studio_full",
                f"All {self.places.studio} Studio places of this room are taken; Listen mode has room.",
            )

    def performer(self, number: int | None) -> int:
        """The number that a room had for one more performer; None if it had none."""
        if number is None:
            raise self._full("performers", "full", "All performers' places of this room are taken.")
        return number

    def connection(self, present: int) -> None:
        """One more TCP connection."""
        if present >= self.places.connections:
            raise self._full("connections", "busy", "Too many connections are open at this moment.")

    def _full(self, what: str, code: str, sentence: str) -> PeerError:
        self.refused[what] += 1
        return PeerError(503, code, sentence, retry_after_s=RETRY_AFTER_S)

    def _is_shared(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._shared)

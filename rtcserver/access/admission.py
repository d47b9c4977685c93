"""What "full" and "too often" mean: every bound on how many there may be of something, and what one more is told. Pure.

Whoever counts something asks here before it counts one more. There being too many is a 503 that names the same time to
come again; a client that comes too often is told 429 with the time until it may.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from rtcserver.access.address import Shared, client_of
from rtcserver.clock import NS
from rtcserver.errors import PeerError
from rtcserver.rate import RateLimit

RETRY_AFTER_S = 5
"""When to come again, in whatever way the server is full."""
MINUTE_NS = 60 * NS
MAX_CLIENTS = 4096
"""Clients whose rate is remembered; of more, the one that was counted first is forgotten."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many there may be of each.

    opening: offers being answered at the same time; as many as may connect, since all listeners of a server that is back
    offer within a moment, and an answer takes milliseconds. connecting, connecting_per_address: sessions that are
    answered, but not connected yet, in all and by client address. shared_addresses: addresses and networks that many
    clients share, which have no bound of their own. studio: a room's Studio listeners with exact samples, 0 turns Studio
    off. studio_light: those with compressed sound, 0 turns that off.
    studio_channel: those among them that listen by a DataChannel, in all rooms together, as each costs the
    server's event loop some percent. live_per_address:
    players of the Ogg stream, by client address. connections, connections_per_address: open TCP connections for HTTP;
    media_connections, media_connections_per_address: for media. offers_per_minute, requests_per_minute,
    uploads_per_minute: by client address; a minute's number may come at once.
    """

    listeners: int = 2000
    listeners_per_room: int = 2000
    opening: int = 512
    connecting: int = 512
    connecting_per_address: int = 64
    shared_addresses: tuple[str, ...] = ()
    studio: int = 8
    studio_light: int = 200
    studio_channel: int = 8
    live_per_address: int = 32
    connections: int = 2048
    connections_per_address: int = 512
    media_connections: int = 512
    media_connections_per_address: int = 64
    offers_per_minute: int = 120
    requests_per_minute: int = 30_000
    uploads_per_minute: int = 30


class Admission:
    """Decides whether one more may come in. Each method raises PeerError if not, and counts that in `refused`."""

    def __init__(self, places: Places | None = None) -> None:
        self.refused: Counter[str] = Counter()
        self.change(places or Places())

    def change(self, places: Places) -> None:
        """Ask for these from now on; who is in stays in, and every client's minute begins anew."""
        self.places = places
        self._shared = Shared(places.shared_addresses)
        self._offers = ClientRates(places.offers_per_minute)
        self._requests = ClientRates(places.requests_per_minute)
        self._uploads = ClientRates(places.uploads_per_minute)

    def request(self, address: str, now_ns: int) -> None:
        """One more HTTP request of any kind from `address` ("" if unknown)."""
        self._rate("requests", self._requests, address, now_ns)

    def offer(self, address: str, now_ns: int) -> None:
        """One more offer from `address`, whatever becomes of it."""
        self._rate("offers", self._offers, address, now_ns)

    def upload(self, address: str, now_ns: int) -> None:
        """One more file from `address`."""
        self._rate("uploads", self._uploads, address, now_ns)

    def opening(self, present: int) -> None:
        """One more offer to answer."""
        if present >= self.places.opening:
            raise self._full("opening", "busy", "Too many listeners are joining at this moment.")

    def listener(self, present: int, present_in_room: int = 0) -> None:
        """One more listener, in a room that has `present_in_room`."""
        if present >= self.places.listeners:
            raise self._full(
                "listeners", "full", _taken(self.places.listeners, "place", "of this server") + "."
            )
        if present_in_room >= self.places.listeners_per_room:
            raise self._full(
                "listeners_per_room",
                "full",
                _taken(self.places.listeners_per_room, "place", "of this room") + ".",
            )

    def connecting(self, present: int, present_there: int = 0, address: str = "") -> None:
        """One more that is to connect, from `address` ("" if unknown), where `present_there` are under way."""
        if present >= self.places.connecting:
            raise self._full("connecting", "busy", "Too many clients are connecting at this moment.")
        if present_there >= self.places.connecting_per_address and not self._shared.has(address):
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
                _taken(self.places.studio_channel, "place", "for browsers without Encoded Transforms") + ".",
            )
        if present >= self.places.studio:
            raise self._full(
                "studio",
                "studio_full",
                _taken(self.places.studio, "Studio place", "of this room") + "; Listen mode has room.",
            )

    def studio_light(self, present: int) -> None:
        """One more listener of Studio light in a room."""
        if self.places.studio == 0 or self.places.studio_light == 0:
            raise PeerError(422, "studio_unavailable", "Studio light is turned off on this server.")
        if present >= self.places.studio_light:
            raise self._full(
                "studio_light",
                "studio_full",
                _taken(self.places.studio_light, "place", "of Studio light in this room")
                + "; Listen mode has room.",
            )

    def live(self, present_there: int, address: str) -> None:
        """One more player of the Ogg stream, from `address`, where `present_there` are."""
        if present_there >= self.places.live_per_address and not self._shared.has(address):
            raise self._full(
                "live_per_address",
                "full",
                f"Your address has {_counted(present_there, 'player')} here; it may have {self.places.live_per_address}.",
            )

    def performer(self, number: int | None) -> int:
        """The number that a room had for one more performer; None if it had none."""
        if number is None:
            raise self._full("performers", "full", "All performers' places of this room are taken.")
        return number

    def connection(self, present: int, present_there: int = 0, address: str = "") -> None:
        """One more TCP connection, from `address`, which has `present_there`."""
        if present >= self.places.connections:
            raise self._full("connections", "busy", "Too many connections are open at this moment.")
        if present_there >= self.places.connections_per_address and not self._shared.has(address):
            raise self._full(
                "connections_per_address",
                "busy",
                f"Your address has {_counted(present_there, 'connection')} open; "
                f"it may have {self.places.connections_per_address}.",
            )

    def client(self, address: str) -> str:
        """What an address is counted by."""
        return client_of(address)

    def is_shared(self, address: str) -> bool:
        """Whether many clients come from an address, or it is not known."""
        return self._shared.has(address)

    def admits(self, present: int, present_there: int, address: str) -> bool:
        """Whether there is room for one more TCP connection for media from `address`, which has `present_there`.

        There is nobody to be told why not.
        """
        if present >= self.places.media_connections:
            self.refused["media_connections"] += 1
        elif present_there >= self.places.media_connections_per_address and not self._shared.has(address):
            self.refused["media_connections_per_address"] += 1
        else:
            return True
        return False

    def _full(self, what: str, code: str, sentence: str) -> PeerError:
        self.refused[what] += 1
        return PeerError(503, code, sentence, retry_after_s=RETRY_AFTER_S)

    def _rate(self, what: str, rates: ClientRates, address: str, now_ns: int) -> None:
        if self._shared.has(address):
            return
        wait_ns = rates.take(client_of(address), now_ns)
        if wait_ns > 0:
            self.refused[what] += 1
            wait_s = -(-wait_ns // NS)
            raise PeerError(
                429,
                "too_often",
                f"These are too many {what} from your address: {rates.per_minute} a minute are allowed. "
                f"Come again in {wait_s} s.",
                retry_after_s=wait_s,
            )


def _taken(places: int, what: str, where: str) -> str:
    """That there are no more places, in a sentence without its full stop."""
    if places == 1:
        return f"The only {what} {where} is taken"
    return f"All {places} {what}s {where} are taken"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class ClientRates:
    """How often each client does something: `per_minute` on average, and as many at once."""

    def __init__(self, per_minute: int, max_clients: int = MAX_CLIENTS) -> None:
        self.per_minute = per_minute
        self._max_clients = max_clients
        self._clients: OrderedDict[str, RateLimit] = OrderedDict()

    def take(self, client: str, now_ns: int) -> int:
        """0 if the client may do it once more, which is counted; else how many ns it has to wait."""
        limit = self._clients.get(client)
        if limit is None:
            self._make_room(now_ns)
            limit = self._clients[client] = RateLimit(self.per_minute, self.per_minute, MINUTE_NS)
        return 0 if limit.take(now_ns) else limit.wait_ns(now_ns)

    def __len__(self) -> int:
        return len(self._clients)

    def _make_room(self, now_ns: int) -> None:
        """Forget the oldest client if it has been quiet, or if there are too many."""
        while self._clients:
            oldest = next(iter(self._clients))
            quiet = self._clients[oldest].is_idle(now_ns)
            if not quiet and len(self._clients) < self._max_clients:
                return
            del self._clients[oldest]

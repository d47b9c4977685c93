"""Readers of what is played in a room, inside the server: a recorder, a score, a light show.

There are two doors, both a `rtcserver.encode.subscription.Subscription`, bounded and on one timeline:
`rtcserver.instrument.supervisor.InstrumentSupervisor.subscribe` for the room's sound (packets of the codec, PCM
blocks), and `rtcserver.room.desk.RoomDesk.subscribe_notes` for what everyone's page is shown. ``docs/extending.md``
has an example.
"""

from __future__ import annotations

from rtcserver.encode.subscription import DEFAULT_LIMIT, Subscription
from rtcserver.room.router import Shown


class NoteReaders:
    """The subscriptions to one room's notes. Loop-bound."""

    def __init__(self) -> None:
        self._readers: set[Subscription[Shown]] = set()

    def subscribe(self, limit: int = DEFAULT_LIMIT) -> Subscription[Shown]:
        """A new reader, which gets everything from now on."""
        reader: Subscription[Shown] = Subscription(limit, lambda: self._readers.discard(reader))
        self._readers.add(reader)
        return reader

    def publish(self, shown: Shown) -> None:
        """Hand an event to every reader."""
        for reader in self._readers:
            reader.offer(shown)

    def close(self) -> None:
        """End all subscriptions."""
        for reader in tuple(self._readers):
            reader.close()

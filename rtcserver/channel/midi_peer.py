"""The server's end of one session's ``midi`` channel: role, limits, replies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rtcserver.channel.down.messages import Reply
from rtcserver.channel.limits import ChannelLimit, ChannelRates
from rtcserver.channel.up.messages import Ping, unpack_up
from rtcserver.channel.up.receiver import Played, UpCounters, UpReceiver
from rtcserver.channel.wire import ProtocolError
from rtcserver.rate import RateLimit

PINGS_PER_S = 20


@dataclass(slots=True)
class MidiPeerCounters:
    """In messages. refused: a listener's notes. flooded: over the channel's rate, unread."""

    messages: int = 0
    malformed: int = 0
    unknown_version: int = 0
    unknown_kind: int = 0
    refused: int = 0
    flooded: int = 0
    unanswered_pings: int = 0


class Received(NamedTuple):
    """What to hand to the routing, and what to send back at once."""

    played: list[Played]
    replies: list[bytes]


_NOTHING = Received([], [])


class MidiPeer:
    """Owned by the shell of one session. `performer` is its number, or None for a listener.

    The shell calls `receive` for each message, `poll` when `next_ns` has come, and on the end of the session
    `revoke`, whose releases it routes. counters, played: where this session counts, perhaps with others. rates: of
    the channel.
    """

    def __init__(
        self,
        counters: MidiPeerCounters | None = None,
        played: UpCounters | None = None,
        rates: ChannelRates | None = None,
    ) -> None:
        self.counters = counters or MidiPeerCounters()
        self._played = played
        self.performer: int | None = None
        self.up: UpReceiver | None = None
        self._parked: UpReceiver | None = None
        self._limit = ChannelLimit(rates)
        self._pings = RateLimit(PINGS_PER_S, PINGS_PER_S)

    def grant(self, performer: int, now_ns: int) -> None:
        """Make this session performer number `performer`. No effect on one that plays already."""
        if self.up is None:
            self.performer = performer
            # Epochs and event numbers go on from before, as the client's do.
            self.up = self._parked or UpReceiver(now_ns, self._played)
            self.up.alive(now_ns)

    def revoke(self) -> list[Played]:
        """Make it a listener again; returns the releases of what it held."""
        if self.up is None:
            return []
        released = self.up.release()
        self.performer = None
        self._parked, self.up = self.up, None
        return released

    def receive(self, data: bytes | str, now_ns: int, media_now: int) -> Received:
        """Take one message of the channel. Never raises: what is no message is counted."""
        self.counters.messages += 1
        if not self._limit.take(data, now_ns):
            self.counters.flooded += 1
            return _NOTHING
        try:
            message = unpack_up(data)
        except ProtocolError as error:
            if error.code == "unknown_version":
                self.counters.unknown_version += 1
            elif error.code == "unknown_kind":
                self.counters.unknown_kind += 1
            else:
                self.counters.malformed += 1
            return _NOTHING
        if isinstance(message, Ping):
            if self.up is not None:
                self.up.alive(now_ns)
            if not self._pings.take(now_ns):
                self.counters.unanswered_pings += 1
                return _NOTHING
            return Received([], [Reply(False, 0, 0, message.client_us, media_now).pack()])
        if self.up is None:
            self.counters.refused += 1
            return _NOTHING
        played = self.up.receive(message, now_ns)
        return Received(played, self._due(now_ns, media_now))

    def poll(self, now_ns: int, media_now: int) -> Received:
        """What time alone brings: the release of a silent performer, and replies that were held back."""
        if self.up is None:
            return _NOTHING
        return Received(self.up.poll(now_ns), self._due(now_ns, media_now))

    @property
    def next_ns(self) -> int | None:
        """When `poll` has something to do; None if nothing waits."""
        return None if self.up is None else self.up.next_ns

    def _due(self, now_ns: int, media_now: int) -> list[bytes]:
        assert self.up is not None
        reply = self.up.reply(now_ns, media_now)
        return [] if reply is None else [reply]

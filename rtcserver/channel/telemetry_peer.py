"""The server's end of one session's ``telemetry`` channel: parsing and limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.channel.announce import error
from rtcserver.channel.limits import ChannelLimit, ChannelRates
from rtcserver.channel.studio import StudioReport
from rtcserver.channel.telemetry import ClientMessage, Stats, parse_client
from rtcserver.channel.wire import ProtocolError
from rtcserver.rate import RateLimit

STATS_PER_S, STATS_BURST = 1, 5
STUDIO_PER_S = 2
"""Studio reports: one a second, and one for each underrun among them."""
OTHERS_PER_S, OTHERS_BURST = 10, 20
MAX_VIOLATIONS = 100
"""Malformed or oversized messages after which the channel is closed."""


@dataclass(slots=True)
class TelemetryCounters:
    """In messages. frequent: dropped because they, or their bytes, came too fast."""

    messages: int = 0
    malformed: int = 0
    too_large: int = 0
    unknown_type: int = 0
    frequent: int = 0


class TelemetryPeer:
    """Owned by the shell of one session, which closes the channel of one that is `abusive`.

    counters: where this session counts, perhaps with others. rates: of the channel as a whole.
    """

    def __init__(self, counters: TelemetryCounters | None = None, rates: ChannelRates | None = None) -> None:
        self.counters = counters or TelemetryCounters()
        self._violations = 0
        self._limit = ChannelLimit(rates)
        self._stats = RateLimit(STATS_PER_S, STATS_BURST)
        self._studio = RateLimit(STUDIO_PER_S, STATS_BURST)
        self._others = RateLimit(OTHERS_PER_S, OTHERS_BURST)
        self._raw = RateLimit(STATS_PER_S + OTHERS_PER_S + 20, STATS_BURST + OTHERS_BURST + MAX_VIOLATIONS)

    @property
    def abusive(self) -> bool:
        """Whether the shell should close this channel."""
        return self._violations >= MAX_VIOLATIONS

    def receive(self, text: bytes | str, now_ns: int) -> tuple[ClientMessage | None, str | None]:
        """Take one message. Returns what it says, or None, and an ``error`` message to send back, or None."""
        self.counters.messages += 1
        if not (self._raw.take(now_ns) and self._limit.take(text, now_ns)):
            # Not even parsed: parsing is what a flood costs.
            self.counters.frequent += 1
            return None, None
        try:
            message = parse_client(text)
        except ProtocolError as problem:
            if problem.code == "too_large":
                self.counters.too_large += 1
                self._violations += 1
            elif problem.code == "unknown_type":
                self.counters.unknown_type += 1
            else:
                self.counters.malformed += 1
                self._violations += 1
            return None, error(problem.code, str(problem), problem.of) if self._others.take(now_ns) else None
        if isinstance(message, Stats):
            limit = self._stats
        else:
            limit = self._studio if isinstance(message, StudioReport) else self._others
        if not limit.take(now_ns):
            self.counters.frequent += 1
            return None, None
        return message, None

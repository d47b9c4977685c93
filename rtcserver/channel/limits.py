"""What one DataChannel of a client may bring. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.clock import NS
from rtcserver.rate import RateLimit


@dataclass(frozen=True, slots=True)
class ChannelRates:
    """Messages and bytes in a second, on average; half a second's messages and a second's bytes may come at once."""

    messages_per_s: int = 500
    bytes_per_s: int = 131_072


class ChannelLimit:
    """The count of one channel. What is over it is not even parsed: parsing is what a flood costs."""

    def __init__(self, rates: ChannelRates | None = None) -> None:
        rates = rates or ChannelRates()
        self._messages = RateLimit(rates.messages_per_s, max(1, rates.messages_per_s // 2))
        self._bytes = RateLimit(rates.bytes_per_s, rates.bytes_per_s, NS)

    def take(self, message: bytes | str, now_ns: int) -> bool:
        """Whether this message may be read. The characters of a text are counted as bytes."""
        return self._messages.take(now_ns) and self._bytes.take(now_ns, len(message))

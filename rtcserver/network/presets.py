"""Networks with names: what each does to datagrams in both directions. Pure; docs/networks.md has them as a table.

``down`` is towards the listener. Figures are one way. The link of a limited rate carries IPv4 and UDP headers, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.network.impair import Impairment


@dataclass(frozen=True, slots=True)
class Preset:
    """about: what it stands for, in a few words. down, up: towards the listener, and from it."""

    about: str
    down: Impairment
    up: Impairment


def _both(about: str, how: Impairment) -> Preset:
    return Preset(about, how, how)


PRESETS: dict[str, Preset] = {
    "lan": _both("an Ethernet cable", Impairment(delay_ms=0.3, jitter_ms=0.4)),
    "good-wifi": _both("Wi-Fi near the access point", Impairment(delay_ms=2, jitter_ms=5, loss=0.001)),
    "busy-wifi": _both(
        "Wi-Fi that many use: waits for the air, and losses that the radio's repeats did not mend",
        Impairment(delay_ms=4, jitter_ms=20, loss=0.03, burst=1.25),
    ),
    "lte": _both("a phone on LTE", Impairment(delay_ms=45, jitter_ms=15, loss=0.002)),
    "lossy-5": _both("5 % lost at random", Impairment(delay_ms=10, loss=0.05)),
    "lossy-20": _both("20 % lost at random", Impairment(delay_ms=10, loss=0.2)),
    "bursty": _both(
        "good for seconds, then bad for some packets (Gilbert and Elliott)",
        Impairment(delay_ms=10, loss=0.03, burst=6, bad_loss=0.6, good_loss=0.002),
    ),
    "bufferbloat": Preset(
        "a slow link with a deep queue: who sends more than it carries waits behind themselves",
        Impairment(delay_ms=20, rate_bps=300_000, queue_ms=1_000),
        Impairment(delay_ms=20, rate_bps=300_000, queue_ms=1_000),
    ),
    "blackout-10s": _both(
        "nothing at all for 10 s, from the tenth second on",
        Impairment(delay_ms=10, dark_after_ms=10_000, dark_ms=10_000),
    ),
    "link-64k": _both(
        "64 kb/s, headers of IP and UDP counted, with a queue of 300 ms",
        Impairment(delay_ms=20, rate_bps=64_000, queue_ms=300),
    ),
    "tcp-only": _both("a network that lets no UDP through", Impairment(loss=1)),
}
"""By name, from the best to the worst of their kind."""

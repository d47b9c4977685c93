"""Networks for Studio's benchmarks: those of `rtcserver.network.presets`, and two of random losses with jitter."""

from __future__ import annotations

from rtcserver.network.impair import Impairment
from rtcserver.network.presets import PRESETS, Preset
from tests.rig.relay import UdpRelay


def _line(about: str, loss: float) -> Preset:
    how = Impairment(jitter_ms=8, loss=loss)
    return Preset(about, how, how)


LINES: dict[str, Preset] = PRESETS | {
    "loss-2": _line("2 % lost at random, 8 ms of jitter", 0.02),
    "loss-5": _line("5 % lost at random, 8 ms of jitter", 0.05),
}
"""By name."""


def relay_of(name: str, upstream: tuple[str, int]) -> UdpRelay:
    """A relay that has this network; joins do not depend on luck."""
    how = LINES[name]
    return UdpRelay(upstream, up=how.up, down=how.down, spare=("stun", "dtls"), tcp=name == "tcp-only")

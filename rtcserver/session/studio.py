"""Studio: who may have it, and how its redundancy follows the network. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rtcserver.encode.pcm import VERSION, StudioFormat
from rtcserver.errors import PeerError

ON_LOST = 1
"""Blocks lost in one report that turn redundancy on."""
OFF_AFTER_NS = 30_000_000_000
"""Time without any loss after which it is turned off again."""


def admission(studio: StudioFormat | None, present: int, allowed: int) -> Mapping[str, str]:
    """The answer's headers for one more Studio listener. Raises PeerError if there is no place, saying why.

    studio: None while the device is missing: nothing is known of its format.
    """
    if allowed == 0:
        raise PeerError(422, "studio_unavailable", "Studio is turned off on this server.")
    if present >= allowed:
        raise PeerError(
            503,
            "studio_full",
            f"All {allowed} Studio places of this room are taken; Listen mode has room.",
            retry_after_s=30,
        )
    if studio is None:
        raise PeerError(
            503, "no_instrument", "The instrument delivers no sound at this moment.", retry_after_s=5
        )
    return {
        "Rtcserver-Mode": "studio",
        "Rtcserver-Studio": json.dumps(describe(studio), separators=(",", ":")),
    }


def describe(studio: StudioFormat) -> dict[str, object]:
    """The format as JSON, for the page and for ``GET /api/rooms``."""
    return {
        "version": VERSION,
        "rate": studio.rate,
        "bits": studio.bits,
        "frames": studio.frames,
        "exact": studio.exact,
        "mbps": round(studio.mbps, 2),
        "packets_per_s": round(studio.packets_per_s, 1),
        "redundancy": False,
    }


class RedundancyControl:
    """Whether one listener gets each block twice: on at the first loss, off after a clean while."""

    def __init__(self) -> None:
        self.on = False
        self._lost = 0.0
        self._clean_since_ns = 0

    def report(self, values: Mapping[str, float], now_ns: int) -> bool | None:
        """Take a ``studio_report``; returns the new setting if it changes, else None.

        Losses that were repaired count: without redundancy they would be heard.
        """
        lost = values.get("lost", 0.0) + values.get("repaired", 0.0)
        fresh, self._lost = lost - self._lost, lost
        if fresh >= ON_LOST:
            self._clean_since_ns = now_ns
            if not self.on:
                self.on = True
                return True
        elif self.on and now_ns - self._clean_since_ns > OFF_AFTER_NS:
            self.on = False
            return False
        return None

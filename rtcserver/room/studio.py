"""Studio: who may have it, and how its redundancy follows the network. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rtcserver.clock import NS
from rtcserver.encode.encoding import Encoding
from rtcserver.encode.pcm import VERSION, StudioFormat
from rtcserver.errors import PeerError
from rtcserver.peer.base import Mode, Quality

RTP_OVERHEAD = 20 + 8 + 12 + 16
"""Bytes around a payload in RTP: IPv4, UDP, RTP, SRTP tag."""
CHANNEL_OVERHEAD = 20 + 8 + 37 + 12 + 16 + 4
"""Bytes around a payload on a DataChannel: IPv4, UDP, DTLS 1.2 with AES-GCM, SCTP, DATA chunk, our stamp."""
BAD_SHARE = 0.75
"""A second in which so large a share of the blocks had to be skipped is a bad one."""
BAD_SECONDS = 5
"""So many bad seconds in a row, and the listener does not read."""
FEW = 10
"""Blocks offered in a second below which it says nothing."""
ON_LOST = 1
"""Blocks lost in one report that turn redundancy on."""
OFF_AFTER_NS = 30_000_000_000
"""Time without any loss after which it is turned off again."""


def answer_headers(
    studio: StudioFormat | None,
    mode: Mode = "studio",
    fault: str | None = None,
    *,
    quality: Quality = "exact",
    light: Encoding | None = None,
) -> Mapping[str, str]:
    """The answer's headers for one more Studio listener. Raises PeerError while there is no sound for them.

    studio: None while the device is missing: nothing is known of its format. fault: what it says itself,
    such as a rate that it does not have. light: how Studio light is encoded, if it can have that.
    """
    if studio is None:
        why = f": {fault}" if fault else " at this moment."
        raise PeerError(503, "no_instrument", f"The instrument delivers no sound{why}", retry_after_s=5)
    return {
        "Rtcserver-Mode": mode,
        "Rtcserver-Quality": quality,
        "Rtcserver-Studio": json.dumps(
            describe(studio, mode) | describe_light(light) | {"quality": quality}, separators=(",", ":")
        ),
    }


def describe_light(light: Encoding | None) -> dict[str, dict[str, float]]:
    """Studio light as JSON, without redundancy; nothing where there is none."""
    if light is None:
        return {}
    packets_per_s = 1000 / light.frame_ms
    return {
        "light": {
            "frame_ms": light.frame_ms,
            "bps": light.bitrate_bps,
            "mbps": round((light.bitrate_bps + packets_per_s * RTP_OVERHEAD * 8) / 1e6, 2),
            "packets_per_s": packets_per_s,
        }
    }


def describe(studio: StudioFormat, mode: Mode = "studio") -> dict[str, object]:
    """The format as JSON, for the page and for ``GET /api/rooms``, and what it costs in this mode."""
    more = CHANNEL_OVERHEAD - RTP_OVERHEAD if mode == "studio-channel" else 0
    return {
        "version": VERSION,
        "rate": studio.rate,
        "bits": studio.bits,
        "frames": studio.frames,
        "exact": studio.exact,
        "mbps": round(studio.mbps + more * 8 * studio.packets_per_s / 1e6, 2),
        "packets_per_s": round(studio.packets_per_s, 1),
        "redundancy": False,
    }


class RedundancyControl:
    """Whether one listener gets each block twice: on at the first loss, off after a clean while."""

    def __init__(self) -> None:
        self.on = False
        self._lost: float | None = 0.0
        """As reported last; None while losses are not those of the samples alone."""
        self._clean_since_ns = 0

    def restart(self) -> None:
        """The samples begin again, each block once: what was lost before is none of theirs."""
        self.on = False
        self._lost = None

    def report(self, values: Mapping[str, float], now_ns: int) -> bool | None:
        """Take a ``studio_report``; returns the new setting if it changes, else None.

        Losses that were repaired count: without redundancy they would be heard.
        """
        lost = values.get("lost", 0.0) + values.get("repaired", 0.0)
        fresh, self._lost = 0.0 if self._lost is None else lost - self._lost, lost
        if fresh >= ON_LOST:
            self._clean_since_ns = now_ns
            if not self.on:
                self.on = True
                return True
        elif self.on and now_ns - self._clean_since_ns > OFF_AFTER_NS:
            self.on = False
            return False
        return None


class Patience:
    """Whether one listener on a DataChannel takes what it is offered."""

    def __init__(self) -> None:
        self._until_ns = 0
        self._offered = 0
        self._skipped = 0
        self._bad = 0

    def offered(self, taken: bool, now_ns: int) -> bool:
        """A block was sent, or skipped since earlier ones still wait; returns whether to give up."""
        if now_ns >= self._until_ns:
            if self._offered >= FEW:
                self._bad = self._bad + 1 if self._skipped >= BAD_SHARE * self._offered else 0
            self._until_ns = now_ns + NS
            self._offered = self._skipped = 0
        self._offered += 1
        self._skipped += not taken
        return self._bad >= BAD_SECONDS

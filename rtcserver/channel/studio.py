"""What a Studio session says on its ``telemetry`` channel. PROTOCOL.md, "Studio". Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rtcserver.channel.wire import ProtocolError, clamped
from rtcserver.encode.pcm import VERSION

REPORT_FIELDS: Mapping[str, tuple[float, float]] = {
    "level_ms": (0, 10_000),
    "target_ms": (0, 10_000),
    "level_p5_ms": (0, 10_000),
    "level_p95_ms": (0, 10_000),
    # Since the session began.
    "underruns": (0, 1e9),
    "lost": (0, 1e9),
    "repaired": (0, 1e9),
    "duplicates": (0, 1e9),
    "drift_ppm": (-100_000, 100_000),
    "ratio": (0.5, 2),
    "output_ms": (0, 10_000),
    # Studio light, since the session began: packets that came by themselves, and those that did not.
    "packets": (0, 1e9),
    "missed": (0, 1e9),
}
"""What a report may say, with the range that it is clamped to: a ring that lies harms only its owner."""


@dataclass(frozen=True, slots=True)
class StudioReady:
    """The page's worker receives frames: PCM may begin. version: of the payload format."""

    version: int


@dataclass(frozen=True, slots=True)
class StudioReport:
    """How the ring does; see `REPORT_FIELDS`. Values are clamped, what was absent or null is not in it."""

    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class StudioQuality:
    """The page asks for exact samples, for light, or for both side by side."""

    quality: Literal["exact", "light", "both"]


def parse_quality(members: dict[str, Any]) -> StudioQuality:
    """``studio_quality``. Raises ProtocolError for one that there is not."""
    quality = members.get("quality")
    if quality not in ("exact", "light", "both"):
        raise ProtocolError("quality is exact, light or both", code="unknown_quality")
    return StudioQuality(quality)


def parse_ready(members: dict[str, Any]) -> StudioReady:
    """``studio_ready``. Raises ProtocolError for a version that is not spoken here."""
    version = members.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise ProtocolError(f"this server speaks Studio version {VERSION}", code="unknown_version")
    return StudioReady(VERSION)


def parse_report(members: dict[str, Any]) -> StudioReport:
    """``studio_report``. Raises ProtocolError for what is no number."""
    return StudioReport(clamped(members, REPORT_FIELDS))

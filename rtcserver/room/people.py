"""Who is in a room, a row each, for those who perform there. Pure.

What a row says of the sound is what the listener's own page has reported last, so that both show the same
(`rtcserver.channel.telemetry.STATS_FIELDS`); of who has no such page it is what their receiver reports tell. Whatever comes
from a client is bounded and without control characters; whoever shows it still has to take it for text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rtcserver.access.door import Grant
from rtcserver.peer.base import SessionInfo, public_handle
from rtcserver.room.browser import browser_words

MAX_ROWS = 500
"""Rows that are told; of more people, performers come first, then who is there longest."""

_SOUND = (
    "buffer_ms",
    "target_ms",
    "rtt_ms",
    "jitter_ms",
    "latency_ms",
    "output_ms",
    "clock_rtt_ms",
    "studio_level_ms",
    "studio_target_ms",
    "hidden",
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the room's desk knows of a session that has a page of ours.

    performer: its number, or None for a listener. totals: of its reports, see `rtcserver.room.member.SUMMED`.
    report_age_s: since the last report; None before the first. admin: whether it performs by an administrator's right.
    """

    name: str = ""
    performer: int | None = None
    muted: bool = False
    admin: bool = False
    totals: Mapping[str, int] = field(default_factory=dict)
    report_age_s: float | None = None


def rows(people: Iterable[tuple[SessionInfo, Grant, Known | None]]) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and a row for each of the first `MAX_ROWS`."""
    found = sorted(people, key=lambda one: (one[2] is None or one[2].performer is None, -one[0].since_s))
    return len(found), [row(*one) for one in found[:MAX_ROWS]]


def row(info: SessionInfo, grant: Grant, known: Known | None) -> dict[str, Any]:
    """One session. ``quality`` is the tier in Listen, exact or light in Studio; ``page`` whether it has a page of ours."""
    details = info.details
    mode = str(details.get("mode", "listen"))
    reported = _mapping(details.get("stats"))
    studio = _mapping(details.get("studio")) if mode != "listen" else {}
    sound = {name: round(float(reported[name]), 1) for name in _SOUND if name in reported}
    if "output_ms" in studio:
        sound["output_ms"] = round(float(studio["output_ms"]), 1)
    page = known is not None
    performs = known is not None and known.performer is not None
    return {
        "id": public_handle(info.id),
        "role": "performer" if performs else "listener",
        "page": page,
        "performer": known.performer if known is not None else None,
        "name": known.name if known is not None else "",
        "browser": browser_words(str(details.get("user_agent", ""))),
        "mode": mode,
        "quality": str(details.get("quality") or details.get("tier") or ""),
        "codec": str(details.get("codec", "")),
        "path": str(details.get("path", "")),
        "state": info.state,
        "since_s": round(info.since_s, 1),
        "muted": known is not None and known.muted,
        "admin": grant.admin or (known is not None and known.admin),
        "report_age_s": None if known is None or known.report_age_s is None else round(known.report_age_s, 1),
        "sound": sound,
        "totals": _totals(known, _mapping(details.get("reception")), info.counters),
    }


def _totals(
    known: Known | None, reception: Mapping[str, Any], counters: Mapping[str, int]
) -> dict[str, float]:
    """Since the session began. lost: packets or blocks. gap_ms: sound that was made up where there was some."""
    if known is None or not known.totals:
        lost = reception.get("lost")
        if not isinstance(lost, int | float):
            return {}
        return {"packets": max(0, counters.get("packets", 0) - max(0, lost)), "lost": max(0, lost)}
    totals = known.totals
    if "studio_lost" in totals:
        return {"lost": totals["studio_lost"], "underruns": totals.get("studio_underruns", 0)}
    heard = max(0, totals.get("concealed", 0) - totals.get("silent_concealed", 0))
    return {
        "packets": totals.get("packets", 0),
        "lost": totals.get("lost", 0),
        "gap_ms": round(heard / 48, 1),
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

"""Durations in an instrument process, summed up for the server. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

KINDS = ("callback", "interval", "call")
"""What the sources' durations are of; see `rtcserver.capture.source.Source.timings`."""


def summary(values: Iterable[int]) -> dict[str, int]:
    """Count, p50, p99 and maximum of durations in ns; zeros for none."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": 0, "p99": 0, "max": 0}
    last = len(ordered) - 1
    return {
        "count": len(ordered),
        "p50": ordered[last // 2],
        "p99": ordered[last * 99 // 100],
        "max": ordered[-1],
    }


def of_source(durations: Mapping[str, list[int]]) -> dict[str, dict[str, int]]:
    """``callback_ns``, ``interval_ns``, ``call_ns``: the summary of each; zeros for what a source has not."""
    return {f"{kind}_ns": summary(durations.get(kind, ())) for kind in KINDS}

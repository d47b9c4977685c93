"""Durations in an instrument process, summed up for the server, and where capture and encoder are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rtcserver.clock import monotonic_ns
from rtcserver.encode.pipeline import EncodePipeline
from rtcserver.instrument.device import Device

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


def snapshot(
    device: Device, pipeline: EncodePipeline | None, encode_ns: Iterable[int], lock_ns: Iterable[int]
) -> dict[str, Any]:
    """The message ``timings``: durations so far, and where capture and encoder are at this one moment.

    callback_ns, interval_ns, call_ns: see `rtcserver.capture.source.Source.timings`. encode_ns: of each packet, from its
    last block to the feeds. lock_ns: waits for the interpreter lock (`rtcserver.children.lock_probe`), from the first reset
    on. delivered_frames: what the device has delivered in this epoch; waiting_blocks: how many of its blocks the encoder has
    not seen. lost_frames, overflows, overruns: as in `rtcserver.instrument.control.InstrumentStatus`. encoded_media:
    media time up to which sound has reached the encoder's frames.
    """
    ring, counter = device.ring, device.counter
    # In this order: a block that arrives in between counts as waiting, never as missing.
    written = ring.written if ring is not None else 0
    waiting = ring.waiting if ring is not None else 0
    return {
        "type": "timings",
        "at_ns": monotonic_ns(),
        **of_source(device.source.timings() if device.source is not None else {}),
        "encode_ns": summary(encode_ns),
        "lock_ns": summary(lock_ns),
        "delivered_frames": written * ring.stream.blocksize if ring is not None else 0,
        "waiting_blocks": waiting,
        "lost_frames": counter.lost_frames if counter is not None else 0,
        "overflows": counter.overflows if counter is not None else 0,
        "overruns": ring.overruns if ring is not None else 0,
        "encoded_media": pipeline.encoded_media if pipeline is not None else 0,
    }

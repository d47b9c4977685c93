"""``GET /metrics``: what all stages count, in Prometheus's text format.

Read from the stages' own counters at each scrape; nothing here is on the audio path. Labels are
bounded: rooms, processes, modes and names of counters, all fixed by configuration or code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from rtcserver import __version__
from rtcserver.broadcast.control import BroadcastReport
from rtcserver.broadcast.lateness import BOUNDS_US
from rtcserver.clock import NS
from rtcserver.telemetry.joins import JoinMetrics
from rtcserver.telemetry.listeners import ListenerMetrics
from rtcserver.telemetry.loop_lag import LoopLag
from rtcserver.telemetry.processes import descriptors, usage


class ObservedRooms(Protocol):
    """What is read of the rooms."""

    def health(self) -> dict[str, Any]: ...


def _none() -> Mapping[str, int]:
    return {}


def _nobody() -> Mapping[tuple[str, str], int]:
    return {}


@dataclass(frozen=True, slots=True)
class Observed:
    """What is read at each scrape.

    rooms: their health. audience: connected sessions by room and mode. broadcast: the latest report. transport: what
    the media port counted. midi: events by room and name. ended, failed: sessions by why they ended, those that were
    never connected in `failed` too. connecting: sessions on the way to being connected. paths: connected ones by the way
    that their packets take. http: open connections, those that were refused, malformed requests. limited: what was
    refused, by limit. live: what the Ogg streams counted, by room and event.
    tiers, codecs: connected sessions by room and tier, and by room and codec.
    """

    rooms: ObservedRooms
    audience: Callable[[], Mapping[tuple[str, str], int]]
    broadcast: Callable[[], BroadcastReport | None]
    transport: Callable[[], Mapping[str, int]]
    midi: Callable[[], Mapping[tuple[str, str], int]]
    ended: Callable[[], Mapping[str, int]] = _none
    failed: Callable[[], Mapping[str, int]] = _none
    connecting: Callable[[], int] = int
    paths: Callable[[], Mapping[str, int]] = _none
    http: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
    limited: Callable[[], Mapping[str, int]] = _none
    live: Callable[[], Mapping[tuple[str, str], int]] = _nobody
    tiers: Callable[[], Mapping[tuple[str, str], int]] = _nobody
    codecs: Callable[[], Mapping[tuple[str, str], int]] = _nobody


class Metrics:
    """The registry of a server process."""

    def __init__(self, observed: Observed) -> None:
        # A series more for each counter, which nobody asks for: a counter that begins anew is seen by its value.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types for it
        self._registry = CollectorRegistry()
        self.listeners = ListenerMetrics(self._registry)
        self.joins = JoinMetrics(self._registry)
        self.loop_lag = LoopLag(self._registry)
        self._registry.register(_Stages(observed))

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)


class _Stages(Collector):
    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        observed = self._observed
        health = observed.rooms.health()
        yield InfoMetricFamily("rtcserver", "The server.", value={"version": __version__})
        yield from _instruments(health["rooms"])
        yield from _processes(health["processes"])
        yield _labelled(
            GaugeMetricFamily("rtcserver_listeners", "Sessions that are connected.", labels=["room", "mode"]),
            observed.audience(),
        )
        yield _labelled(
            GaugeMetricFamily(
                "rtcserver_listeners_by_tier", "Sessions that are sent each tier.", labels=["room", "tier"]
            ),
            observed.tiers(),
        )
        yield _labelled(
            GaugeMetricFamily(
                "rtcserver_listeners_by_codec",
                "Sessions that are connected, by what their offer made of them: opus, g722, pcmu or pcma.",
                labels=["room", "codec"],
            ),
            observed.codecs(),
        )
        yield GaugeMetricFamily(
            "rtcserver_listeners_connecting",
            "Sessions on the way to being connected.",
            value=observed.connecting(),
        )
        yield _labelled(
            GaugeMetricFamily(
                "rtcserver_listeners_by_path",
                "Sessions that are connected, by the way that their packets take: udp, tcp or relay (TURN).",
                labels=["path"],
            ),
            {(path,): count for path, count in observed.paths().items()},
        )
        report = observed.broadcast()
        if report is not None:
            yield from _broadcasting(report)
        yield from _counted(observed)


def _counted(observed: Observed) -> Iterator[Metric]:
    for name, text, values in (
        ("sessions_ended", "Sessions that ended, by why.", observed.ended()),
        ("joins_failed", "Sessions that ended before they were connected, by why.", observed.failed()),
    ):
        counter = CounterMetricFamily(f"rtcserver_{name}", text, labels=["reason"])
        yield _labelled(counter, {(reason,): count for reason, count in sorted(values.items())})
    yield _labelled(
        CounterMetricFamily(
            "rtcserver_transport_events",
            "What the media port did and dropped.",
            labels=["event"],
        ),
        {(event,): count for event, count in sorted(observed.transport().items())},
    )
    yield _labelled(
        CounterMetricFamily(
            "rtcserver_midi_events", "MIDI messages and faults by room.", labels=["room", "event"]
        ),
        observed.midi(),
    )
    yield _labelled(
        CounterMetricFamily("rtcserver_refused", "What was refused, by limit.", labels=["limit"]),
        {(limit,): count for limit, count in sorted(observed.limited().items())},
    )
    yield _labelled(
        CounterMetricFamily(
            "rtcserver_live_events", "What the Ogg streams for other players did.", labels=["room", "event"]
        ),
        observed.live(),
    )
    connections, refused, malformed = observed.http()
    yield GaugeMetricFamily("rtcserver_http_connections", "Open TCP connections.", value=connections)
    yield CounterMetricFamily(
        "rtcserver_http_connections_refused", "TCP connections refused as there were too many.", value=refused
    )
    yield CounterMetricFamily(
        "rtcserver_http_malformed_requests", "Requests that were not HTTP.", value=malformed
    )


def _labelled(family: Any, values: Mapping[Any, float]) -> Metric:
    for labels, value in values.items():
        family.add_metric(list(labels), value)
    metric: Metric = family
    return metric


def _instruments(rooms: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    gauges: dict[str, tuple[str, Callable[[Mapping[str, Any]], float]]] = {
        "rtcserver_capture_live": (
            "Whether the device delivers sound.",
            lambda r: float(r["state"] == "live"),
        ),
        "rtcserver_capture_resting": (
            "Whether the instrument rests, as nobody listens and nobody plays.",
            lambda r: float(r["resting"]),
        ),
        "rtcserver_capture_rate_hertz": ("Sampling rate of the device.", lambda r: r["rate"]),
        "rtcserver_capture_waiting_frames": (
            "Captured frames that wait for the encoder.",
            lambda r: r["frames_behind"],
        ),
        "rtcserver_capture_block_seconds": (
            "Duration of a block of the device: its first sample waits so long.",
            lambda r: r["blocksize"] / r["rate"] if r["rate"] else 0.0,
        ),
        "rtcserver_capture_clock_offset_seconds": (
            "How far the device's clock has run ahead of this machine's since the server's start; its slope is the drift.",
            lambda r: r["clock_offset_s"],
        ),
        "rtcserver_capture_peak_ratio": (
            "Largest magnitude, of full scale, in the last report.",
            lambda r: max(r["peak"]),
        ),
        "rtcserver_encode_frame_seconds": ("Duration of an Opus frame.", lambda r: r["frame_ms"] / 1000),
        "rtcserver_encode_bitrate_bytes_per_second": ("Bitrate.", lambda r: r["bitrate_bps"] / 8),
        "rtcserver_encodings": (
            "Encodings that are made, the room's own too.",
            lambda r: 1 + len(r["further"]) if r["coded"] else 0,
        ),
        "rtcserver_media_time_seconds": ("Media time of the room.", lambda r: r["media_time"] / 48_000),
    }
    counters: dict[str, tuple[str, Callable[[Mapping[str, Any]], float]]] = {
        "rtcserver_capture_lost_frames": ("Frames lost in this epoch.", lambda r: r["lost_frames"]),
        "rtcserver_capture_xruns": ("Overflows and overruns in this epoch.", lambda r: r["xruns"]),
        "rtcserver_capture_starved_frames": (
            "Frames of silence since what is to be played was not ready in time.",
            lambda r: r["starved_frames"],
        ),
        "rtcserver_instrument_dropped_messages": (
            "MIDI messages that the embedded instrument dropped as too many waited.",
            lambda r: r["dropped_messages"],
        ),
        "rtcserver_capture_epochs": ("Times that the device was opened.", lambda r: r["epoch"]),
        "rtcserver_encode_packets": ("Opus packets encoded.", lambda r: r["encoded_total"]),
        "rtcserver_feed_dropped_packets": ("Packets a reader was too slow for.", lambda r: r["feed_dropped"]),
    }
    for name, (text, read) in gauges.items():
        family = GaugeMetricFamily(name, text, labels=["room"])
        yield _labelled(family, {(room,): read(status) for room, status in rooms.items()})
    for name, (text, read) in counters.items():
        counter = CounterMetricFamily(name, text, labels=["room"])
        yield _labelled(counter, {(room,): read(status) for room, status in rooms.items()})
    encoding = SummaryMetricFamily("rtcserver_encode_seconds", "Time to encode a packet.", labels=["room"])
    for room, status in rooms.items():
        encoding.add_metric([room], status["encoded"], status["encode_ns"] / NS)
    yield encoding


def _processes(processes: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    up = GaugeMetricFamily("rtcserver_process_up", "Whether the process runs.", labels=["process"])
    restarts = CounterMetricFamily("rtcserver_process_restarts", "Restarts.", labels=["process"])
    cpu = CounterMetricFamily(
        "rtcserver_process_cpu_seconds", "CPU time since its start.", labels=["process", "kind"]
    )
    memory = GaugeMetricFamily(
        "rtcserver_process_resident_memory_bytes", "Memory in RAM.", labels=["process"]
    )
    fds = GaugeMetricFamily("rtcserver_process_open_fds", "Open file descriptors.", labels=["process"])
    pids = {"server": os.getpid(), **{name: one["pid"] for name, one in processes.items()}}
    for name, one in processes.items():
        up.add_metric([name], float(bool(one["running"])))
        restarts.add_metric([name], one["restarts"])
    for name, pid in pids.items():
        used = usage(pid) if pid else None
        opened = descriptors(pid) if pid else None
        if opened is not None:
            fds.add_metric([name], opened)
        if used is not None:
            cpu.add_metric([name, "user"], used.user_s)
            cpu.add_metric([name, "system"], used.system_s)
            memory.add_metric([name], used.resident_bytes)
    yield from (up, restarts, cpu, memory, fds)


def _broadcasting(report: BroadcastReport) -> Iterator[Metric]:
    totals = report.totals
    counters = {
        "packets": ("RTP packets sent.", totals.packets),
        "payload_bytes": ("Octets of RTP payload sent.", totals.octets),
        "retransmits": ("Packets resent for a NACK.", totals.retransmits),
        "repeats": ("Packets sent a second time to listeners that cannot ask.", totals.repeats),
        "refused_nacks": ("Packets asked for too late or too often.", totals.refused_nacks),
        "dropped_resends": ("Requests to resend that gave way to newer ones.", report.dropped_resends),
        "send_errors": ("Datagrams the kernel refused.", totals.errors),
        "dropped_packets": ("Datagrams dropped by back-pressure.", totals.dropped),
        "sender_reports": ("RTCP sender reports.", totals.reports),
        "stream_overflows": ("Answers and DTLS that found no room on a TCP stream.", totals.stream_overflows),
        "streams_stalled": ("TCP streams closed since nobody read them.", totals.streams_stalled),
    }
    for name, (text, value) in counters.items():
        yield CounterMetricFamily(f"rtcserver_broadcast_{name}", text, value=value)
    silent = CounterMetricFamily("rtcserver_broadcast_silent_packets", "Silence sent.", labels=["room"])
    expired = CounterMetricFamily("rtcserver_broadcast_expired_packets", "Packets too old.", labels=["room"])
    for room, counted in report.rooms.items():
        silent.add_metric([room], counted.silent)
        expired.add_metric([room], counted.expired)
    yield from (silent, expired)
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, count in zip((*BOUNDS_US, None), report.late_counts, strict=True):
        seen += count
        buckets.append(("+Inf" if bound is None else repr(bound / 1e6), seen))
    lateness = HistogramMetricFamily(
        "rtcserver_broadcast_lateness_seconds",
        "From the arrival of the block that completes a frame to the frame's departure to everyone.",
    )
    lateness.add_metric([], buckets, sum_value=report.late_sum_ns / NS)
    yield lateness

"""What listeners report, as histograms and counters with bounded labels.

Units are Prometheus's: seconds, ratios. One set of objects a server process; loop-bound.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

MODES = ("listen", "studio", "studio-light", "player")
"""Pages that listen, pages in Studio with exact samples and with compressed sound, and players without our page, of
which only receiver reports tell."""
_DELAYS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_RATIOS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

_SECONDS = {
    "buffer_ms": ("buffer", "Delay of the jitter buffer, mean of each report."),
    "target_ms": ("buffer_target", "Target delay of the jitter buffer, mean of each report."),
    "jitter_ms": ("jitter", "Inter-arrival jitter (RFC 3550) as the receiver sees it."),
    "rtt_ms": ("round_trip", "Round-trip time by RTCP."),
    "playout_ms": ("playout", "Output delay that the browser reports."),
    "latency_ms": ("latency", "From the instrument's converter to the ear, as the page reckons it."),
    "clock_rtt_ms": ("channel_round_trip", "Round-trip time of a ping on the midi channel."),
    "studio_level_ms": ("studio_ring", "Level of the Studio ring."),
    "studio_target_ms": ("studio_ring_target", "Level that the Studio ring aims at."),
}
_COUNTS = {
    "packets": ("packets_received", "RTP packets received."),
    "lost": ("packets_lost", "RTP packets lost on the way."),
    "nacks": ("nacks", "NACKs sent by browsers."),
    "discarded": (
        "packets_discarded",
        "RTP packets that came too late; not of listeners with RED, whose browsers count every unneeded repeat here.",
    ),
    "played": ("samples_played", "Samples played, at 48 kHz."),
    "concealed": ("samples_concealed", "Samples made up, silence too."),
    "inserted": ("samples_inserted", "Samples inserted to slow the playing down."),
    "removed": ("samples_removed", "Samples removed to speed the playing up."),
    "studio_lost": ("studio_lost", "Studio blocks that never came."),
    "studio_underruns": ("studio_underruns", "Underruns of the Studio ring."),
    "midi_missed": ("midi_missed", "MIDI events first seen in a repeat or a state."),
}


def bounded_mode(mode: str) -> str:
    """One of `MODES`: both ways of exact samples, in RTP and by a DataChannel, are one."""
    return mode if mode in MODES else "studio"


class ListenerMetrics:
    """Takes each ``stats`` report that was accepted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = {
            field: Histogram(
                f"rtcserver_listener_{name}_seconds", text, ["mode"], buckets=_DELAYS, registry=registry
            )
            for field, (name, text) in _SECONDS.items()
        }
        self._counts = {
            field: Counter(f"rtcserver_listener_{name}", text, ["mode"], registry=registry)
            for field, (name, text) in _COUNTS.items()
        }
        self._concealed = Histogram(
            "rtcserver_listener_concealed_ratio",
            "Share of the samples played that were made up, silence not counted, in each report.",
            ["mode"],
            buckets=_RATIOS,
            registry=registry,
        )
        self._skew = Histogram(
            "rtcserver_listener_light_to_sound_seconds",
            "Time between a key lighting up and its sound being heard, magnitude.",
            ["mode"],
            buckets=_DELAYS,
            registry=registry,
        )
        self._heard = Counter(
            "rtcserver_listener_samples_concealed_audibly",
            "Samples made up, silence not counted.",
            ["mode"],
            registry=registry,
        )
        self._reports = Counter(
            "rtcserver_listener_reports",
            "Reports that were accepted.",
            ["mode"],
            registry=registry,
        )

    def observe(self, mode: str, values: Mapping[str, float]) -> None:
        """One report, in the units and ranges of `rtcserver.channel.telemetry.STATS_FIELDS`."""
        label = bounded_mode(mode)
        self._reports.labels(label).inc()
        for field, histogram in self._seconds.items():
            if field in values:
                histogram.labels(label).observe(values[field] / 1000)
        for field, counter in self._counts.items():
            if field in values:
                counter.labels(label).inc(max(0.0, values[field]))
        if values.get("played"):
            heard = max(0.0, values.get("concealed", 0) - values.get("silent_concealed", 0))
            self._heard.labels(label).inc(heard)
            self._concealed.labels(label).observe(heard / values["played"])
        if "midi_skew_ms" in values:
            self._skew.labels(label).observe(abs(values["midi_skew_ms"]) / 1000)

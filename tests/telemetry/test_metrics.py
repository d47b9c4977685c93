"""/metrics: well-formed, complete in the docs, and bounded whatever clients report."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from rtcserver.broadcast.control import BroadcastReport, RoomCounters
from rtcserver.broadcast.lateness import BOUNDS_US
from rtcserver.broadcast.listener import Totals
from rtcserver.channel.telemetry import STATS_FIELDS
from rtcserver.peer.reception import Reception
from rtcserver.telemetry.metrics import Metrics

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
ROOM = {
    "state": "live",
    "rate": 44_100,
    "frames_behind": 0,
    "bitrate_bps": 160_000,
    "media_time": 96_000,
    "lost_frames": 128,
    "xruns": 1,
    "epoch": 2,
    "encoded_total": 500,
    "feed_dropped": 0,
}


class Rooms:
    def health(self) -> dict[str, object]:
        return {
            "rooms": {"main": ROOM},
            "processes": {"broadcast": {"pid": 1, "running": True, "restarts": 3}},
        }


def metrics() -> Metrics:
    late = tuple(range(len(BOUNDS_US) + 1))
    rooms = {"main": RoomCounters(3, 500, 7, 0, 0, 2, 0)}
    return Metrics(
        Rooms(),
        lambda: {("main", "listen"): 3},
        lambda: BroadcastReport(0, Totals(packets=1500, octets=300_000), rooms, late_counts=late),
        lambda: {"udp_received": 10},
        lambda: {("main", "played"): 4},
    )


def values(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_stages_are_read_at_each_scrape() -> None:
    read = values(metrics().render())
    assert read["rtcserver_capture_lost_frames_total", ("main",)] == 128
    assert read["rtcserver_encode_bitrate_bytes_per_second", ("main",)] == 20_000
    assert read["rtcserver_broadcast_packets_total", ()] == 1500
    assert read["rtcserver_broadcast_silent_packets_total", ("main",)] == 7
    assert read["rtcserver_process_restarts_total", ("broadcast",)] == 3
    assert 4 in [v for (n, labels), v in read.items() if set(labels) == {"main", "played"}]


def test_lateness_is_a_cumulative_histogram_in_seconds() -> None:
    read = values(metrics().render())
    assert read["rtcserver_broadcast_lateness_seconds_bucket", ("5e-05",)] == 0
    assert read["rtcserver_broadcast_lateness_seconds_bucket", ("0.001",)] == sum(range(5))
    assert read["rtcserver_broadcast_lateness_seconds_bucket", ("+Inf",)] == sum(range(len(BOUNDS_US) + 1))


def test_a_report_is_counted_in_seconds_and_ratios() -> None:
    made = metrics()
    made.listeners.observe(
        "listen", {"buffer_ms": 30, "lost": 2, "played": 48_000, "concealed": 960, "silent_concealed": 480}
    )
    read = values(made.render())
    assert read["rtcserver_listener_buffer_seconds_sum", ("listen",)] == 0.03
    assert read["rtcserver_listener_packets_lost_total", ("listen",)] == 2
    assert read["rtcserver_listener_concealed_ratio_sum", ("listen",)] == 0.01


def test_a_receiver_report_is_counted_as_a_players() -> None:
    made = metrics()
    made.listeners.observe("player", Reception(100, 3, 96, 0.05).values())
    # A packet that was missing has come after all: what Prometheus counts only grows.
    made.listeners.observe("player", Reception(100, -1, None, None).values())
    read = values(made.render())
    assert read["rtcserver_listener_packets_lost_total", ("player",)] == 3
    assert read["rtcserver_listener_jitter_seconds_sum", ("player",)] == 0.002
    assert read["rtcserver_listener_jitter_seconds_count", ("player",)] == 1
    assert read["rtcserver_listener_round_trip_seconds_sum", ("player",)] == 0.05
    assert read["rtcserver_listener_reports_total", ("player",)] == 2


def test_labels_stay_bounded_whatever_is_reported() -> None:
    made = metrics()
    for mode in ("listen", "studio", "studio-channel", "player", "nonsense"):
        made.listeners.observe(mode, {field: high for field, (_, high) in STATS_FIELDS.items()})
    modes = {
        labels[0] for name, labels in values(made.render()) if name == "rtcserver_listener_reports_total"
    }
    assert modes == {"listen", "studio", "player"}


def test_the_docs_name_every_metric() -> None:
    made = metrics()
    made.listeners.observe("listen", dict.fromkeys(STATS_FIELDS, 1.0))
    names = {line.split()[2] for line in made.render().decode().splitlines() if line.startswith("# TYPE ")}
    documented = {line.split("`")[1] for line in DOCS.read_text().splitlines() if line.startswith("| `")}
    assert {n for n in names if not n.endswith("_created")} == documented


def test_promtool_finds_nothing_wrong() -> None:
    made = metrics()
    made.listeners.observe("listen", dict.fromkeys(STATS_FIELDS, 1.0))
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing; script/bootstrap test installs it (Debian: prometheus)"
    run = subprocess.run(
        [promtool, "check", "metrics"], input=made.render(), capture_output=True, check=False
    )
    assert (run.returncode, run.stderr.decode()) == (0, "")

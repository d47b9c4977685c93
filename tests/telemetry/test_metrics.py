"""/metrics: well-formed, complete in the docs, and bounded whatever clients report."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rtcserver.broadcast.control import BroadcastReport, RoomCounters
from rtcserver.broadcast.lateness import BOUNDS_US
from rtcserver.broadcast.listener import Totals
from rtcserver.channel.telemetry import STATS_FIELDS
from rtcserver.clock import NS
from rtcserver.peer.reception import Reception
from rtcserver.telemetry import loop_lag
from rtcserver.telemetry.joins import MAX_REASONS
from rtcserver.telemetry.metrics import Metrics, Observed

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
ROOM = {
    "state": "live",
    "resting": False,
    "coded": True,
    "rate": 44_100,
    "frames_behind": 0,
    "bitrate_bps": 160_000,
    "media_time": 96_000,
    "blocksize": 441,
    "frame_ms": 10.0,
    "clock_offset_s": -0.25,
    "peak": [0.25, 0.5],
    "encoded": 400,
    "encode_ns": 200_000_000,
    "starved_frames": 96,
    "dropped_messages": 5,
    "lost_frames": 128,
    "xruns": 1,
    "epoch": 2,
    "encoded_total": 500,
    "further": ["opus-low"],
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
    totals = Totals(packets=1500, octets=300_000)
    return Metrics(
        Observed(
            Rooms(),
            lambda: {("main", "listen"): 3},
            lambda: BroadcastReport(0, totals, rooms, late_counts=late, late_sum_ns=NS // 2),
            lambda: {"udp_received": 10},
            lambda: {("main", "played"): 4},
            ended=lambda: {"deleted": 6},
            failed=lambda: {"no_dtls": 2},
            connecting=lambda: 9,
            paths=lambda: {"udp": 2, "tcp": 1, "relay": 0},
            http=lambda: (11, 12, 13),
            limited=lambda: {"offers": 2},
            codecs=lambda: {("main", "opus"): 2, ("main", "pcmu"): 1},
        )
    )


def everything() -> Metrics:
    """One sample of each that there can be."""
    made = metrics()
    made.listeners.observe("listen", dict.fromkeys(STATS_FIELDS, 1.0))
    made.joins.joined("main", "listen", 0.2)
    made.joins.refused("join", "full")
    return made


def values(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_stages_are_read_at_each_scrape() -> None:
    read = values(metrics().render())
    assert read["rtcserver_capture_lost_frames_total", ("main",)] == 128
    assert read["rtcserver_capture_starved_frames_total", ("main",)] == 96
    assert read["rtcserver_instrument_dropped_messages_total", ("main",)] == 5
    assert read["rtcserver_capture_block_seconds", ("main",)] == 0.01
    assert read["rtcserver_capture_clock_offset_seconds", ("main",)] == -0.25
    assert read["rtcserver_capture_peak_ratio", ("main",)] == 0.5
    assert read["rtcserver_encode_seconds_sum", ("main",)] / read[
        "rtcserver_encode_seconds_count", ("main",)
    ] == pytest.approx(0.0005)
    assert read["rtcserver_sessions_ended_total", ("deleted",)] == 6
    assert read["rtcserver_joins_failed_total", ("no_dtls",)] == 2
    assert read["rtcserver_listeners_connecting", ()] == 9
    assert [read["rtcserver_listeners_by_path", (path,)] for path in ("udp", "tcp", "relay")] == [2, 1, 0]
    assert read["rtcserver_listeners_by_codec", ("pcmu", "main")] == 1
    assert read["rtcserver_http_connections", ()] == 11
    assert read["rtcserver_http_connections_refused_total", ()] == 12
    assert read["rtcserver_http_malformed_requests_total", ()] == 13
    assert read["rtcserver_encode_bitrate_bytes_per_second", ("main",)] == 20_000
    assert read["rtcserver_broadcast_packets_total", ()] == 1500
    assert read["rtcserver_broadcast_silent_packets_total", ("main",)] == 7
    assert read["rtcserver_process_restarts_total", ("broadcast",)] == 3
    assert read["rtcserver_refused_total", ("offers",)] == 2
    assert 4 in [v for (n, labels), v in read.items() if set(labels) == {"main", "played"}]


def test_lateness_is_a_cumulative_histogram_in_seconds() -> None:
    read = values(metrics().render())
    assert read["rtcserver_broadcast_lateness_seconds_bucket", ("5e-05",)] == 0
    assert read["rtcserver_broadcast_lateness_seconds_bucket", ("0.001",)] == sum(range(5))
    every = sum(range(len(BOUNDS_US) + 1))
    assert read["rtcserver_broadcast_lateness_seconds_bucket", ("+Inf",)] == every
    assert read["rtcserver_broadcast_lateness_seconds_count", ()] == every
    assert read["rtcserver_broadcast_lateness_seconds_sum", ()] == 0.5


def test_a_report_is_counted_in_seconds_and_ratios() -> None:
    made = metrics()
    made.listeners.observe(
        "listen", {"buffer_ms": 30, "lost": 2, "played": 48_000, "concealed": 960, "silent_concealed": 480}
    )
    read = values(made.render())
    assert read["rtcserver_listener_buffer_seconds_sum", ("listen",)] == 0.03
    assert read["rtcserver_listener_packets_lost_total", ("listen",)] == 2
    assert read["rtcserver_listener_concealed_ratio_sum", ("listen",)] == 0.01
    assert read["rtcserver_listener_samples_concealed_audibly_total", ("listen",)] == 480
    assert read["rtcserver_listener_samples_played_total", ("listen",)] == 48_000


def test_joins_are_counted_and_timed_by_room_and_mode() -> None:
    made = metrics()
    made.joins.expect("main")
    assert values(made.render())["rtcserver_join_seconds_count", ("listen", "main")] == 0
    for mode, seconds in (("listen", 0.04), ("studio", 0.3), ("studio-channel", 0.5)):
        made.joins.joined("main", mode, seconds)
    read = values(made.render())
    assert read["rtcserver_join_seconds_count", ("listen", "main")] == 1
    assert read["rtcserver_join_seconds_bucket", ("0.05", "listen", "main")] == 1
    assert read["rtcserver_join_seconds_bucket", ("0.03", "listen", "main")] == 0
    assert read["rtcserver_join_seconds_sum", ("studio", "main")] == 0.8


def test_refusals_have_a_bounded_number_of_reasons() -> None:
    made = metrics()
    for number in range(MAX_REASONS + 10):
        made.joins.refused("join", f"reason{number}")
        made.joins.refused("join", f"reason{number}")
    counted = {k[1]: v for k, v in values(made.render()).items() if k[0] == "rtcserver_http_refusals_total"}
    assert len(counted) == MAX_REASONS + 1
    assert counted["reason0", "join"] == 2
    assert counted["other", "join"] == 20


async def test_the_loops_lag_is_what_a_timer_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is held up between two turns of the timer: so long at least is counted, and nothing after the end."""
    monkeypatch.setattr(loop_lag, "INTERVAL_S", 0.01)
    made = metrics()
    made.loop_lag.start()
    asyncio.get_running_loop().call_soon(time.sleep, 0.3)
    await asyncio.sleep(0.05)
    made.loop_lag.close()
    made.loop_lag.close()
    read = values(made.render())
    assert read["rtcserver_event_loop_lag_seconds_sum", ()] >= 0.28
    assert (
        read["rtcserver_event_loop_lag_seconds_bucket", ("0.2",)]
        < read["rtcserver_event_loop_lag_seconds_count", ()]
    )
    await asyncio.sleep(0.05)
    count = "rtcserver_event_loop_lag_seconds_count", ()
    assert values(made.render())[count] == read[count]


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
    for mode in ("listen", "studio", "studio-channel", "studio-light", "player", "nonsense"):
        made.listeners.observe(mode, {field: high for field, (_, high) in STATS_FIELDS.items()})
    modes = {
        labels[0] for name, labels in values(made.render()) if name == "rtcserver_listener_reports_total"
    }
    assert modes == {"listen", "studio", "studio-light", "player"}


def test_the_docs_name_every_metric() -> None:
    names = {
        line.split()[2] for line in everything().render().decode().splitlines() if line.startswith("# TYPE ")
    }
    documented = {line.split("`")[1] for line in DOCS.read_text().splitlines() if line.startswith("| `")}
    assert names == documented


def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing; script/bootstrap test installs it (Debian: prometheus)"
    run = subprocess.run(
        [promtool, "check", "metrics"], input=everything().render(), capture_output=True, check=False
    )
    assert (run.returncode, run.stderr.decode()) == (0, "")

"""Writes Grafana's dashboard: ``python monitoring/dashboard.py``. A test holds the written file against this.

A panel is one line of text about what it shows, and its expressions by what its legend calls them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "grafana" / "dashboards" / "rtcserver.json"
SOURCE = {"type": "prometheus", "uid": "rtcserver-prometheus"}
WIDTH = 24
RATE = "$__rate_interval"
ROOM = 'room=~"$room"'
LOOK_AHEAD_S = 0.0025
"""Opus, restricted low delay; docs/latency.md."""

Panel = dict[str, Any]


def rate(name: str, labels: str = "", by: str = "") -> str:
    """Growth a second, summed by labels."""
    return (
        f"sum by ({by}) (rate({name}{{{labels}}}[{RATE}]))"
        if by
        else f"sum(rate({name}{{{labels}}}[{RATE}]))"
    )


def mean(histogram: str, labels: str = "", by: str = "") -> str:
    """Mean of what a histogram observed."""
    return f"{rate(f'{histogram}_sum', labels, by)} / {rate(f'{histogram}_count', labels, by)}"


def quantile(q: float, histogram: str, by: str = "", labels: str = "") -> str:
    """A quantile of what a histogram observed."""
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', labels, f'le, {by}' if by else 'le')})"


def chart(
    title: str, says: str, unit: str, lines: Mapping[str, str], *, width: int = 8, stack: bool = False
) -> Panel:
    """Lines over time. lines: expressions by legend."""
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if stack else 5, "showPoints": "never"}
    if stack:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    defaults: dict[str, Any] = {"unit": unit, "custom": custom}
    if unit != "ppm":
        defaults["min"] = 0
    return {
        "type": "timeseries",
        "title": title,
        "description": says,
        "gridPos": {"h": 8, "w": width, "x": 0, "y": 0},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": targets(lines),
    }


def number(title: str, says: str, unit: str, expression: str, steps: list[tuple[float | None, str]]) -> Panel:
    """One figure, coloured by where it lies. steps: (from, colour)."""
    thresholds = {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}
    return {
        "type": "stat",
        "title": title,
        "description": says,
        "gridPos": {"h": 4, "w": 4, "x": 0, "y": 0},
        "fieldConfig": {
            "defaults": {"unit": unit, "decimals": 0 if unit == "none" else 2, "thresholds": thresholds},
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
        "targets": targets({"": expression}),
    }


def targets(lines: Mapping[str, str]) -> list[dict[str, Any]]:
    """Queries as Grafana has them."""
    return [
        {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for at, (legend, expression) in enumerate(lines.items())
    ]


def hops(mode: str) -> dict[str, str]:
    """From a key to the ear, in the order of the way; docs/latency.md says what each is."""
    label = f'mode="{mode}"'
    found = {
        "up: half a ping": f"{mean('rtcserver_listener_channel_round_trip_seconds', label)} / 2",
        "block fills": f"max(rtcserver_capture_block_seconds{{{ROOM}}})",
    }
    if mode == "listen":
        found["Opus frame and look-ahead"] = f"max(rtcserver_encode_frame_seconds{{{ROOM}}}) + {LOOK_AHEAD_S}"
    found["encode and send"] = mean("rtcserver_broadcast_lateness_seconds")
    found["network: half a round trip"] = f"{mean('rtcserver_listener_round_trip_seconds', label)} / 2"
    if mode == "listen":
        found["jitter buffer"] = mean("rtcserver_listener_buffer_seconds", label)
    else:
        found["ring"] = mean("rtcserver_listener_studio_ring_seconds", label)
    return {**found, "browser's output": mean("rtcserver_listener_playout_seconds", label)}


def lost_share() -> str:
    lost = rate("rtcserver_listener_packets_lost_total", by="mode")
    return f"{lost} / ({lost} + {rate('rtcserver_listener_packets_received_total', by='mode')})"


def rows() -> dict[str, list[Panel]]:
    """The panels by the title of their row."""
    good, fair, bad = "green", "orange", "red"
    heard = rate("rtcserver_listener_samples_concealed_audibly_total", by="mode")
    played = rate("rtcserver_listener_samples_played_total", by="mode")
    dropped = (
        "stranger",
        "stun_unknown.*",
        ".*unanswered.*",
        ".*left_out",
        ".*drop.*",
        ".*malformed.*",
        ".*over.*",
    )
    dropped += (".*refused.*", ".*error.*", ".*limited.*", ".*skipped.*")
    drops = f'event=~"{"|".join(dropped)}"'
    return {
        "At a glance": [
            number("Server", "1 while it answers.", "none", 'min(up{job="rtcserver"})', [(None, bad), (1, good)]),
            number("Instruments live", "Share of the rooms whose device delivers sound.", "percentunit",
                   f"avg(rtcserver_capture_live{{{ROOM}}})", [(None, bad), (1, good)]),
            number("Listeners", "Sessions that are connected.", "none",
                   f"sum(rtcserver_listeners{{{ROOM}}})", [(None, good)]),
            number("Joins in an hour", "Sessions that got their first packet.", "none",
                   f"sum(increase(rtcserver_join_seconds_count{{{ROOM}}}[1h]))", [(None, good)]),
            number("Restarts in a day", "Processes that were started again.", "none",
                   "sum(increase(rtcserver_process_restarts_total[1d]))", [(None, good), (1, fair), (5, bad)]),
            number("Made up in an hour", "Share of what was heard that was concealment.", "percentunit",
                   "sum(increase(rtcserver_listener_samples_concealed_audibly_total[1h])) / "
                   "sum(increase(rtcserver_listener_samples_played_total[1h]))",
                   [(None, good), (0.002, fair), (0.01, bad)]),
        ],
        "Joins and listeners": [
            chart("Listeners by mode", "Sessions that are connected; players are those without our page.", "none",
                  {"{{mode}}": f"sum by (mode) (rtcserver_listeners{{{ROOM}}})",
                   "connecting": "sum(rtcserver_listeners_connecting)"}, stack=True),
            chart("Joins", "Sessions that were connected, that were not, that ended, and offers refused.", "cps",
                  {"joined": rate("rtcserver_join_seconds_count", ROOM),
                   "failed: {{reason}}": rate("rtcserver_joins_failed_total", by="reason"),
                   "ended: {{reason}}": rate("rtcserver_sessions_ended_total", by="reason"),
                   "refused: {{reason}}": rate("rtcserver_http_refusals_total", 'request="join"', "reason")}),
            chart("Time to join", "From a listener's offer to its first packet of sound.", "s",
                  {"p50": quantile(0.5, "rtcserver_join_seconds", labels=ROOM),
                   "p95": quantile(0.95, "rtcserver_join_seconds", labels=ROOM)}),
        ],
        "From a key to the ear": [
            chart("Listen, by hop", "Means. The instrument's own time is not measured here.", "s",
                  hops("listen"), stack=True, width=9),
            chart("Studio, by hop", "Means, of exact samples. The instrument's own time is not measured here.", "s",
                  hops("studio"), stack=True, width=9),
            chart("As the page reckons", "From the instrument's converter to the ear.", "s",
                  {"{{mode}} p50": quantile(0.5, "rtcserver_listener_latency_seconds", "mode"),
                   "{{mode}} p95": quantile(0.95, "rtcserver_listener_latency_seconds", "mode")}, width=6),
        ],
        "On the way": [
            chart("Packets lost", "Share of what was sent, by mode.", "percentunit", {"{{mode}}": lost_share()}),
            chart("Made up", "Share of what is played that is concealment, silence not counted.", "percentunit",
                  {"{{mode}}": f"{heard} / {played}"}),
            chart("Asked for again", "Packets that listeners missed, and what became of it.", "pps",
                  {"NACKs of {{mode}}": rate("rtcserver_listener_nacks_total", by="mode"),
                   "sent again": rate("rtcserver_broadcast_retransmits_total"),
                   "refused": rate("rtcserver_broadcast_refused_nacks_total"),
                   "too late for {{mode}}": rate("rtcserver_listener_packets_discarded_total", by="mode")}),
            chart("Round trip and jitter", "As RTCP tells, p95 by mode.", "s",
                  {"round trip {{mode}}": quantile(0.95, "rtcserver_listener_round_trip_seconds", "mode"),
                   "jitter {{mode}}": quantile(0.95, "rtcserver_listener_jitter_seconds", "mode")}, width=6),
            chart("Jitter buffer", "Delay in the browser's buffer, and what it aims at.", "s",
                  {"p50": quantile(0.5, "rtcserver_listener_buffer_seconds", labels='mode="listen"'),
                   "p95": quantile(0.95, "rtcserver_listener_buffer_seconds", labels='mode="listen"'),
                   "target p50": quantile(0.5, "rtcserver_listener_buffer_target_seconds", labels='mode="listen"')},
                  width=6),
            chart("Studio ring", "Its level, and what it aims at.", "s",
                  {"level": mean("rtcserver_listener_studio_ring_seconds"),
                   "target": mean("rtcserver_listener_studio_ring_target_seconds")}, width=6),
            chart("Studio gaps", "Blocks that never came, and times that the ring was empty.", "cps",
                  {"underruns": rate("rtcserver_listener_studio_underruns_total"),
                   "blocks lost": rate("rtcserver_listener_studio_lost_total")}, width=6),
        ],
        "Sending": [
            chart("Pacing", "From the block that completes a frame to its departure to everyone.", "s",
                  {"p50": quantile(0.5, "rtcserver_broadcast_lateness_seconds"),
                   "p95": quantile(0.95, "rtcserver_broadcast_lateness_seconds"),
                   "p99": quantile(0.99, "rtcserver_broadcast_lateness_seconds")}),
            chart("Packets", "Sent to listeners, and what did not get away.", "pps",
                  {"sent": rate("rtcserver_broadcast_packets_total"),
                   "dropped": rate("rtcserver_broadcast_dropped_packets_total"),
                   "refused by the kernel": rate("rtcserver_broadcast_send_errors_total"),
                   "expired in {{room}}": rate("rtcserver_broadcast_expired_packets_total", ROOM, "room"),
                   "silence in {{room}}": rate("rtcserver_broadcast_silent_packets_total", ROOM, "room")}),
            chart("Dropped at the port and the channels", "What strangers and the too eager sent.", "cps",
                  {"{{event}}": f"{rate('rtcserver_transport_events_total', drops, 'event')} > 0",
                   "{{room}}: {{event}}": f"{rate('rtcserver_midi_events_total', drops, 'room, event')} > 0"}),
        ],
        "The device": [
            chart("Sound lost", "Before it was read, or since it was not ready.", "cps",
                  {"xruns {{room}}": rate("rtcserver_capture_xruns_total", ROOM, "room"),
                   "lost frames {{room}}": rate("rtcserver_capture_lost_frames_total", ROOM, "room"),
                   "starved frames {{room}}": rate("rtcserver_capture_starved_frames_total", ROOM, "room"),
                   "MIDI dropped {{room}}": rate("rtcserver_instrument_dropped_messages_total", ROOM, "room"),
                   "feed {{room}}": rate("rtcserver_feed_dropped_packets_total", ROOM, "room")}),
            chart("Drift", "How much faster the device's clock runs than this machine's, in parts per million.", "ppm",
                  {"{{room}}": f"1e6 * deriv(rtcserver_capture_clock_offset_seconds{{{ROOM}}}[10m])"}),
            chart("Level and notes", "Peak of full scale; MIDI events that were played.", "none",
                  {"peak {{room}}": f"rtcserver_capture_peak_ratio{{{ROOM}}}",
                   "events a second {{room}}": rate("rtcserver_midi_events_total", f'{ROOM}, event="events"', "room")}),
        ],
        "Processes": [
            chart("CPU", "Cores.", "none",
                  {"{{process}}": rate("rtcserver_process_cpu_seconds_total", by="process")}, stack=True),
            chart("Memory", "In RAM, shared pages counted in each.", "bytes",
                  {"{{process}}": "rtcserver_process_resident_memory_bytes"}),
            chart("Restarts and descriptors", "Processes that were started again, and files that they have open.", "none",
                  {"restarts of {{process}}": "increase(rtcserver_process_restarts_total[5m]) > 0",
                   "descriptors of {{process}}": "rtcserver_process_open_fds"}),
            chart("Event loop", "How late the server process calls a timer.", "s",
                  {"p50": quantile(0.5, "rtcserver_event_loop_lag_seconds"),
                   "p99": quantile(0.99, "rtcserver_event_loop_lag_seconds")}),
            chart("Encoding", "Time to encode a packet.", "s",
                  {"{{room}}": mean("rtcserver_encode_seconds", ROOM, "room")}),
            chart("TCP connections", "Open, and refused a second as there are too many.", "none",
                  {"open": "rtcserver_http_connections",
                   "refused": rate("rtcserver_http_connections_refused_total"),
                   "malformed requests": rate("rtcserver_http_malformed_requests_total")}),
        ],
    }  # fmt: skip


def dashboard() -> dict[str, Any]:
    """All of it, as Grafana's JSON."""
    panels: list[Panel] = []
    y = 0
    for title, row in rows().items():
        panels.append(
            {
                "type": "row",
                "title": title,
                "collapsed": False,
                "id": len(panels) + 1,
                "panels": [],
                "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            }
        )
        x, y = 0, y + 1
        for panel in row:
            place = panel["gridPos"]
            if x + place["w"] > WIDTH:
                x, y = 0, y + place["h"]
            place["x"], place["y"] = x, y
            x += place["w"]
            panels.append({**panel, "id": len(panels) + 1, "datasource": SOURCE})
        y += row[-1]["gridPos"]["h"]
    return {
        "uid": "rtcserver",
        "title": "rtcserver",
        "tags": ["rtcserver"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 38,
        "refresh": "5s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "room",
                    "label": "Room",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": {"query": "label_values(rtcserver_capture_live, room)", "refId": "room"},
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
                }
            ]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())

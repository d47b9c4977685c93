"""What a delivered packet costs as listeners grow in number, on one core; writes docs/scale.svg.

The server has one core and the load generator the other, in a network namespace; sockets are drained in turn
(see `fanout`). CPU time is read from /proc over all server processes but the instrument's.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

from benchmarks.fanout import SETTLE_S, Fanout, gather
from benchmarks.rig.common import MachineCpu, emit, say
from benchmarks.rig.isolated import isolate
from benchmarks.rig.outcome import left_s, main_of
from benchmarks.rig.serving import LOAD_CPU, Rtcserver, pss_kb
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options

STEPS = (10, 100, 500, 1000, 2000)
WIDTH, HEIGHT, MARGIN = 640, 360, 56


def plot(points: list[tuple[int, float]]) -> str:
    """An SVG of (listeners, µs); the horizontal axis is logarithmic. Pure."""
    low, high = math.log10(points[0][0]), math.log10(points[-1][0])
    top = math.ceil(max(us for _, us in points) / 5) * 5

    def at(listeners: int, us: float) -> tuple[float, float]:
        x = MARGIN + (math.log10(listeners) - low) / (high - low) * (WIDTH - 2 * MARGIN)
        return round(x, 1), round(HEIGHT - MARGIN - us / top * (HEIGHT - 2 * MARGIN), 1)

    base = HEIGHT - MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="14">'
        "Server CPU for each delivered packet, one core</text>",
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 14}" text-anchor="middle">listeners</text>',
        f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle" '
        f'transform="rotate(-90 16 {HEIGHT / 2})">µs (user and system)</text>',
    ]
    for grid in range(0, top + 1, 5 if top > 10 else 1):
        y = at(points[0][0], grid)[1]
        parts.append(f'<path d="M{MARGIN} {y}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 8}" y="{y + 4}" text-anchor="end">{grid}</text>')
    line = " ".join(f"{x},{y}" for x, y in (at(*point) for point in points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0a66a8" stroke-width="2"/>')
    for listeners, us in points:
        x, y = at(listeners, us)
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="#0a66a8"/>')
        parts.append(f'<text x="{x}" y="{y - 10}" text-anchor="middle">{us:.1f}</text>')
        parts.append(f'<text x="{x}" y="{base + 18}" text-anchor="middle">{listeners}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each step")
    parser.add_argument("--plot", type=Path, default=Path("docs/scale.svg"), help="file to write")
    arguments = parser.parse_args()
    isolate("benchmarks.scale")
    before = MachineCpu.now()
    points: list[tuple[int, float]] = []
    rows: list[dict[str, Any]] = []
    with Rtcserver() as server:
        time.sleep(SETTLE_S)
        idle_kb = pss_kb(server.pids)
        with Fleet(Options(server.url, server.signaling, cpus=(LOAD_CPU,))) as fleet:
            listening, began = 0, time.monotonic()
            for step in STEPS:
                # A step joins as many again as there are, or more: it takes at least as long as all before it.
                if points and time.monotonic() - began > left_s():
                    say(f"  no time for {step}")
                    break
                joins = gather(fleet, step - listening)
                if joins.joined < step - listening:
                    raise RuntimeError(f"{dict(joins.failures)}")
                listening = step
                fleet.sleep(SETTLE_S)
                result = Fanout()
                window = result.add(server, fleet, arguments.seconds)
                points.append((step, result.us))
                rows.append(
                    {
                        "listeners": step,
                        "us": result.us,
                        "dropped_by_server": max(0, window.expected - window.received - window.overflows),
                        "server_cpu_pct": round(100 * result.cpu.total / result.seconds, 1),
                        "memory_kb_per_listener": round((pss_kb(server.pids) - idle_kb) / step, 1),
                    }
                )
                say(f"  {step}: {result.us} µs, {window.received} of {window.expected} packets")
    if len(points) > 1:
        arguments.plot.write_text(plot(points))
    flat = points[-1][1] <= 1.1 * min(us for _, us in points)
    emit(
        {
            "steps": rows,
            "steps_left_out": list(STEPS[len(points) :]),
            "us": {str(step): us for step, us in points},
            "flat_or_falling": flat,
            "machine_busy_pct": before.busy_pct(MachineCpu.now()),
        }
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main))

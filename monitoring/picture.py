"""Draws the dashboard without Grafana: its panels, their expressions, as a running Prometheus answers them.

``python monitoring/picture.py http://127.0.0.1:9090 --minutes 5 --out dashboard.png``; needs matplotlib, which the
server's requirements do not have. It looks less well than Grafana does, and shows the same numbers.
"""

from __future__ import annotations

import argparse
import json
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

BOARD = Path(__file__).parent / "grafana" / "dashboards" / "rtcserver.json"
WIDTH = 24
SCALES = {"s": (1e3, "ms"), "percentunit": (100, "%"), "bytes": (1 / 2**20, "MiB")}
COLOURS = {"green": "#1a7f37", "orange": "#b35900", "red": "#c62828"}


def ask(url: str, path: str, **query: object) -> list[dict[str, Any]]:
    """The result of a query. Raises OSError."""
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def plain(expression: str, rate: str) -> str:
    """An expression without Grafana's variables."""
    return expression.replace("$__rate_interval", rate).replace("$room", ".*")


def legend(pattern: str, labels: dict[str, str]) -> str:
    """As Grafana fills it in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), pattern)


def draw_number(figure: Any, area: list[float], panel: dict[str, Any], values: list[float]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    value = values[-1] if values else None
    factor, name = SCALES.get(unit, (1, ""))
    decimals = panel["fieldConfig"]["defaults"].get("decimals", 2)
    shown = "no data" if value is None else f"{value * factor:.{decimals}f} {name}"
    colour = "#555555"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if value is not None and (step["value"] is None or value >= step["value"]):
            colour = COLOURS[step["color"]]
    left, bottom, _, height = area
    figure.text(left, bottom + height * 0.85, panel["title"], fontsize=8)
    figure.text(left, bottom + height * 0.25, shown, fontsize=20, color=colour)


def draw_chart(
    figure: Any, area: list[float], panel: dict[str, Any], lines: dict[str, Any], start: float
) -> None:
    axes = figure.add_axes(area)
    defaults = panel["fieldConfig"]["defaults"]
    factor, name = SCALES.get(defaults["unit"], (1, defaults["unit"].replace("none", "")))
    if "stacking" in defaults["custom"] and lines:
        times = sorted({at for points in lines.values() for at, _ in points})
        columns = [[dict(points).get(at, 0.0) * factor for at in times] for points in lines.values()]
        axes.stackplot([at - start for at in times], columns, labels=list(lines), alpha=0.7)
    else:
        for label, points in lines.items():
            axes.plot([at - start for at, _ in points], [v * factor for _, v in points], label=label, lw=1)
    axes.set_title(f"{panel['title']}{f' ({name})' if name else ''}", fontsize=8, loc="left")
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.3)
    if any(v < 0 for points in lines.values() for _, v in points):
        axes.axhline(0, color="black", lw=0.5)
    else:
        axes.set_ylim(bottom=0)
    if lines:
        axes.legend(
            fontsize=5.5, loc="upper left", bbox_to_anchor=(0, -0.1), ncol=5, frameon=False, borderaxespad=0
        )
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", fontsize=8, color="#777777")


def draw(url: str, start: float, end: float, rate: str, out: Path, remark: str) -> None:
    """All panels between two moments (seconds since 1970), into a PNG file."""
    panels = json.loads(BOARD.read_text())["panels"]
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    tall = rows * 0.3 + 0.6
    figure = plt.figure(figsize=(18, tall), dpi=90)
    figure.text(0.01, 1 - 0.35 / tall, remark, fontsize=9)
    step = max(1.0, (end - start) / 400)
    for panel in panels:
        place = panel["gridPos"]
        top = 1 - (place["y"] * 0.3 + 0.6) / tall
        height = place["h"] * 0.3 / tall
        if panel["type"] == "row":
            figure.text(0.01, top - height * 0.7, panel["title"], fontsize=11, weight="bold")
            continue
        area = [place["x"] / WIDTH + 0.02, top - height * 0.76, place["w"] / WIDTH - 0.03, height * 0.62]
        lines: dict[str, list[tuple[float, float]]] = {}
        for target in panel["targets"]:
            expression = plain(target["expr"], rate)
            for one in ask(url, "query_range", query=expression, start=start, end=end, step=step):
                points = [(float(at), float(value)) for at, value in one["values"]]
                lines[legend(target["legendFormat"], one["metric"])] = [
                    (at, value) for at, value in points if value == value
                ]
        if panel["type"] == "stat":
            draw_number(figure, area, panel, [value for points in lines.values() for _, value in points])
        else:
            draw_chart(figure, area, panel, {k: v for k, v in lines.items() if v}, start)
    figure.savefig(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="Prometheus's address")
    parser.add_argument("--minutes", type=float, default=60, help="up to now (default 60)")
    parser.add_argument("--end", type=float, help="seconds since 1970 (default now)")
    parser.add_argument("--rate", default="20s", help="what rates are taken over (default 20s)")
    parser.add_argument("--remark", default="Seconds since the start of the picture.", help="line at the top")
    parser.add_argument("--out", type=Path, default=Path("dashboard.png"))
    given = parser.parse_args()
    end = given.end or time.time()
    draw(given.url.rstrip("/"), end - given.minutes * 60, end, given.rate, given.out, given.remark)


if __name__ == "__main__":
    main()

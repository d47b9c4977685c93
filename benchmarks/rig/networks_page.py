"""The result of `benchmarks.networks` for people: a table in docs/networks.md, and a plot beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- script/bench networks --write-docs: begin -->", "<!-- end -->"
LABELS = {"plain": "plain stream", "ours": "ours", "janus": "Janus", "aiortc": "stock aiortc"}
COLOURS = {"plain": "#999999", "ours": "#1b7f5c", "janus": "#c05a1c", "aiortc": "#4a6fb3"}
PANELS = (
    ("concealed_pct", "made up, not in silence: % of what was played", "symlog", 0.01),
    ("delay_ms", "known delay, ms", "log", 10.0),
    ("gap_ms", "longest gap in the recording, ms", "symlog", 1.0),
)

Presets = Mapping[str, Mapping[str, Mapping[str, Any] | None]]


def write(presets: Presets, seconds: float) -> None:
    """Put the table between its marks in docs/networks.md, and draw docs/networks.svg. Raises ValueError without marks."""
    page = DOCS / "networks.md"
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the table: {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{table(presets, seconds)}\n{END}{after}")
    draw(presets, DOCS / "networks.svg")


def table(presets: Presets, seconds: float) -> str:
    """Markdown: a row for each network, and a cell for each server."""
    lines = [
        f"Each cell: made up, and not in silence, % / known delay, ms / longest gap, ms; {seconds:g} s each.",
        "",
        "| network | " + " | ".join(LABELS.values()) + " |",
        "|---" * (1 + len(LABELS)) + "|",
    ]
    for network, servers in presets.items():
        cells = (cell(servers.get(name)) for name in LABELS)
        lines.append(f"| {network} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "![The same as a plot](networks.svg)"])


def cell(figures: Mapping[str, Any] | None) -> str:
    """One listener's three figures; a dash if it heard nothing at all."""
    if figures is None:
        return "–"
    return f"{figures['concealed_pct']:.2f} / {figures['delay_ms']:.0f} / {figures['gap_ms']:.0f}"


def draw(presets: Presets, path: Path) -> None:
    """Bars in three panels, one above the other, as SVG with its text as text."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "rtcserver", "font.size": 9}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(PANELS), 1, figsize=(9, 8), sharex=True, layout="constrained")
    networks = list(presets)
    width = 0.8 / len(LABELS)
    for axis, (key, title, scale, least) in zip(axes, PANELS, strict=True):
        for place, (name, label) in enumerate(LABELS.items()):
            bars = {
                number + (place - (len(LABELS) - 1) / 2) * width: figures[key]
                for number, servers in enumerate(presets.values())
                if (figures := servers.get(name)) is not None
            }
            axis.bar(list(bars), list(bars.values()), width, label=label, color=COLOURS[name])
        axis.set_title(title, loc="left")
        if scale == "symlog":
            axis.set_yscale("symlog", linthresh=least)
            axis.set_ylim(bottom=0)
        else:
            axis.set_yscale(scale)
            axis.set_ylim(bottom=least)
        axis.grid(axis="y", alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(LABELS))
    axes[-1].set_xticks(range(len(networks)), networks, rotation=20)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)

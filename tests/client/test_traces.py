"""The model against Chromium: arrivals of one listener, and what Chromium made of a stream with the same accidents.

``tests/vectors/playout/`` has them: network and repair (of the client, whose packets these are), the seconds since the
first packet between which Chromium was measured, its figures in the names of `Judgement`, and the arrivals: for each
packet the microseconds since the one before it, the step of its timestamp in frames of 10 ms, and its earlier frames.
``docs/networks.md`` has the table.
"""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from rtcserver.client.playout import Frame, Playout
from rtcserver.network.presets import PRESETS

FRAME = 480
TRACES = sorted((Path(__file__).parents[1] / "vectors" / "playout").glob("*.json"))
BUSIER = "busier-wifi"
"""``busy-wifi`` with its losses 1.5 in a row."""
DELAY_MS = {"lan": 15, "lossy-5": 15, "busy-wifi": 15, BUSIER: 15}
"""How far the delay may be off. A browser that joins again differs by 10 ms from itself, by more where jitter is great."""


@pytest.fixture(params=TRACES, ids=lambda path: path.stem)
def trace(request: pytest.FixtureRequest) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(request.param.read_text())
    return said


def played(trace: dict[str, Any]) -> dict[str, float]:
    """The model's figures of the seconds that were measured."""
    playout = Playout()
    at_us = accumulate(gap for gap, _, _ in trace["arrivals"])
    numbers = accumulate(step for _, step, _ in trace["arrivals"])
    for us, number, (_, _, earlier) in zip(at_us, numbers, trace["arrivals"], strict=True):
        frames = [Frame((number - back) * FRAME % 2**32, FRAME, back > 0) for back in range(earlier + 1)]
        playout.arrive(us * 1000, frames)
    begin, end = trace["measured_s"]
    playout.until(round(end * 1e9))
    seconds = list(playout.seconds)[round(begin) : round(end)]

    def total(name: str) -> float:
        return float(sum(getattr(second, name) for second in seconds))

    return {
        "concealed_pct": 100 * total("concealed") / total("played"),
        "audible_pct": 100 * (total("concealed") - total("muted")) / total("played"),
        "delay_ms": total("waited") / total("emitted"),
        "target_ms": total("target") / total("emitted"),
    }


def test_there_are_traces_of_the_networks_and_repairs() -> None:
    names = {path.stem for path in TRACES}
    assert {
        "lossy-5-red",
        "lossy-5-nack",
        "lossy-5-none",
        "busy-wifi-red",
        "busy-wifi-nack",
        "lan-red",
    } <= names
    assert {json.loads(path.read_text())["network"] for path in TRACES} <= {*PRESETS, BUSIER}


@pytest.mark.parametrize("name", ["concealed_pct", "audible_pct"])
def test_as_much_is_made_up_as_in_chromium(trace: dict[str, Any], name: str) -> None:
    """Within a factor of 1.5, or 0.3 percentage points."""
    ours, theirs = played(trace)[name], trace["chromium"][name]
    assert abs(ours - theirs) <= 0.3 or theirs / 1.5 <= ours <= theirs * 1.5


def test_the_delay_is_that_of_chromium(trace: dict[str, Any]) -> None:
    ours, theirs = played(trace), trace["chromium"]
    assert abs(ours["delay_ms"] - theirs["delay_ms"]) <= DELAY_MS.get(trace["network"], 25)
    # The target goes in steps of 20 ms.
    assert abs(ours["target_ms"] - theirs["target_ms"]) <= 20

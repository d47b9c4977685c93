"""The named networks, in virtual time: each does what its line in docs/networks.md says."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path as File

import pytest

from rtcserver.network.impair import HEADER_BYTES, MS, Impairment, Path
from rtcserver.network.presets import PRESETS

NAMES = [
    "lan",
    "good-wifi",
    "busy-wifi",
    "lte",
    "lossy-5",
    "lossy-20",
    "bursty",
    "bufferbloat",
    "blackout-10s",
    "link-64k",
    "tcp-only",
]
MANY, STEP_NS = 20_000, 10 * MS
PAGE = (File(__file__).resolve().parents[2] / "docs/networks.md").read_text()


def through(how: Impairment, size: int, step_ns: int = STEP_NS, count: int = MANY) -> list[float | None]:
    """How long each datagram took, in ms; None for those that were lost."""
    path = Path(how, "1/0/down")
    due = [path.decide(number, number * step_ns, size) for number in range(count)]
    return [(at[0] - number * step_ns) / MS if at else None for number, at in enumerate(due)]


def test_there_are_those_that_were_asked_for() -> None:
    assert list(PRESETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["down", "up"])
def test_delays_and_losses_are_those_of_the_table(name: str, way: str) -> None:
    how: Impairment = getattr(PRESETS[name], way)
    took = through(how, 172)
    came = [ms for ms in took if ms is not None]
    if not how.rate_bps:
        if how.dark_ms:
            assert len(came) == MANY - how.dark_ms / 10
        else:
            # Runs of losses make the count vary more than independent ones would.
            spread = 5 * math.sqrt(MANY * how.loss * (1 - how.loss) * 2 * how.burst)
            assert abs(MANY - len(came) - MANY * how.loss) <= spread
        assert all(how.delay_ms <= ms <= how.delay_ms + how.jitter_ms for ms in came)


def test_the_slow_link_carries_what_fits_with_its_headers() -> None:
    """20 ms packets of 64 kb/s in all pass without waiting; a little more waits up to the queue's length, then is lost."""
    how = PRESETS["link-64k"].down
    fitting = how.rate_bps // 8 // 50 - HEADER_BYTES
    assert set(through(how, fitting, 20 * MS)) == {40.0}
    took = through(how, fitting + 40, 20 * MS)
    late = [ms for ms in took if ms is not None]
    assert None in took
    assert how.queue_ms < max(late) <= how.queue_ms + how.delay_ms + 30


def test_who_sends_more_than_the_deep_queue_carries_waits_for_a_second() -> None:
    how = PRESETS["bufferbloat"].down
    assert max(ms or 0 for ms in through(how, 230)) < 30
    assert max(ms or 0 for ms in through(how, 400)) > 1_000


def test_bursts_are_longer_than_chance_would_make_them() -> None:
    def runs(name: str) -> list[int]:
        lost = [ms is None for ms in through(PRESETS[name].down, 172)]
        return [len(list(group)) for missing, group in itertools.groupby(lost) if missing]

    assert max(runs("bursty")) >= 6
    assert sum(runs("bursty")) / len(runs("bursty")) > 1.4
    assert sum(runs("lossy-5")) / len(runs("lossy-5")) == pytest.approx(1 / 0.95, rel=0.03)


def test_nothing_passes_for_ten_seconds() -> None:
    took = through(PRESETS["blackout-10s"].down, 172, count=3_000)
    assert [number for number, ms in enumerate(took) if ms is None] == list(range(1_000, 2_000))


def test_the_page_has_the_figures_that_are_used() -> None:
    """One row a preset: delay, jitter, loss, burst, rate and queue, towards the listener."""
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    said = {name: [cell.strip() for cell in cells] for name, *cells in rows}
    for name, preset in PRESETS.items():
        how = preset.down
        assert said[name][0] == f"{how.delay_ms:g}"
        assert said[name][1] == f"{how.jitter_ms:g}"
        assert said[name][2].startswith(f"{100 * how.loss:g} %")
        rate = f"{how.rate_bps // 1000} kb/s, {how.queue_ms:g} ms" if how.rate_bps else "–"
        assert said[name][3] == rate

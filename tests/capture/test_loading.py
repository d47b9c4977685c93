"""What a loading instrument reports: shares of a file, signs of life of a library, and none of what hangs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rtcserver.capture import loading

Reports = list[tuple[str, float | None]]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    monkeypatch.setattr(loading, "HEARTBEAT_S", 0.02)
    said: Reports = []
    loading.listen(lambda what, share: said.append((what, share)))
    yield said
    loading.listen(None)


def test_shares_are_clipped_and_what_is_no_number_is_unknown(reports: Reports) -> None:
    for share in (0.4, 7, -1, math.nan, None):
        loading.report("loading", share)
    assert [share for _, share in reports] == [0.4, 1.0, 0.0, None, None]
    loading.listen(None)
    loading.report("to nobody")


def test_a_large_file_is_reported_by_its_bytes(reports: Reports, tmp_path: Path) -> None:
    large, small = tmp_path / "large.sf2", tmp_path / "small.sf2"
    large.write_bytes(bytes(20 << 20))
    small.write_bytes(bytes(1 << 20))
    loading.read_ahead(small, "loading small.sf2", 0.9)
    loading.read_ahead(tmp_path / "no.sf2", "loading no.sf2", 0.9)
    assert reports == []
    loading.read_ahead(large, "loading large.sf2", 0.9)
    assert [share for _, share in reports] == pytest.approx([0.9 * (n + 1) / 20 for n in range(20)])


def compute() -> None:
    sum(range(20_000))


@pytest.mark.parametrize(
    ("step", "limit_s", "least", "most"),
    [
        (compute, 60.0, 3, 60),
        # The first word, and perhaps one more before the limit or the standstill is noticed.
        (compute, 0.0, 1, 1),
        (lambda: time.sleep(0.6), 60.0, 1, 2),
    ],
    ids=["works", "has worked too long", "hangs"],
)
def test_only_what_gets_on_gives_signs_of_life(
    reports: Reports, step: Callable[[], None], limit_s: float, least: int, most: int
) -> None:
    with loading.working("loading a library", 0.9, cpu_limit_s=limit_s):
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            step()
    assert set(reports) == {("loading a library", 0.9)}
    assert least <= len(reports) <= most
    count = len(reports)
    time.sleep(0.1)
    assert len(reports) == count

"""Free memory goes back to the system when a crowd has left, and not at every single goodbye."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from rtcserver.server import memory
from rtcserver.server.memory import CROWD, Crowd, GivingBack
from tests.realtime import ROOT


def test_a_crowd_that_leaves_is_noticed_once() -> None:
    crowd = Crowd()
    seen = [crowd.has_left(present) for present in (0, 100, 80, 51, 50, 45, 40, 0, 0)]
    assert [number for number, left in enumerate(seen) if left] == [4, 7]


def test_a_few_are_no_crowd() -> None:
    crowd = Crowd()
    assert not any(crowd.has_left(present) for present in (CROWD - 1, 0) * 10)
    assert crowd.has_left(CROWD) is False
    assert crowd.has_left(0)


@pytest.mark.parametrize(("present", "expected"), [(0, 1), (1, 0)])
async def test_a_start_is_over_soon_and_nobody_who_listens_already_waits_for_that(
    present: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, given = asyncio.Event(), []
    monkeypatch.setattr(memory, "START_S", 0.0)
    monkeypatch.setattr(memory, "let_code_go", lambda: given.append("code"))

    def count() -> int:
        looked.set()
        return present

    giving = GivingBack(count)
    giving.start()
    await looked.wait()
    await giving.close()
    assert len(given) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is the GNU C library's")
def test_what_is_free_between_what_is_used_goes_back() -> None:
    """The C library keeps it by itself: something that is in use lies above."""
    code = """
from pathlib import Path
from rtcserver.heap import trim

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

held = [bytearray(20_000) for _ in range(4_000)]
used = held[::200]
full = resident_mb()
del held
free = resident_mb()
print(full - free, trim(), full - resident_mb())
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    before, trimmed, after = said.split()
    assert trimmed == "True"
    assert float(before) < 20
    assert float(after) > 60

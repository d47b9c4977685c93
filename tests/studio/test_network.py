"""Studio in real Chromium on a network that loses and delays, with each block sent twice."""

from __future__ import annotations

from benchmarks.studio_network import LOSS, MOST_GAP_MS, impaired, longest_gap_ms
from tests.studio.listening import RATE

SECONDS = 8


async def test_with_redundancy_a_lossy_network_leaves_no_audible_gap() -> None:
    """1 % lost and 5 ms of jitter; `script/bench studio_network` watches for a minute."""
    run = await impaired(LOSS, SECONDS, twice=True)
    assert not run.fell_back, run.notice
    first, last = run.readings[0], run.readings[-1]
    blocks = SECONDS * RATE / 128
    # Seeded losses of 1 %: about 28 of them are made good, and would have been heard.
    assert last["repaired"] - first["repaired"] > 0.003 * blocks
    assert last["lost"] - first["lost"] < 0.002 * blocks
    assert run.sound is not None
    assert longest_gap_ms(run.sound, RATE) <= MOST_GAP_MS

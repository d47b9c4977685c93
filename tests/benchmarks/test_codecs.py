"""The codecs benchmark measures the same thing in each of its ways, and says all that it promises."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.codecs import LAWS, allocations, g722_ways, law_ways, measure, relay_ways, timed
from rtcserver.encode import g711


@pytest.mark.parametrize("name", LAWS)
def test_all_ways_decode_to_the_same_and_encode_nearly_so(name: str) -> None:
    law = LAWS[name]
    ways = law_ways(law)
    decoded = {way: np.asarray(calls["decode"]()).ravel() for way, calls in ways.items()}
    assert decoded["ours"].size == 160
    assert np.array_equal(decoded["ours"], decoded["numpy"])
    assert np.array_equal(decoded["ours"], decoded["pyav"])
    encoded = {way: calls["encode"]() for way, calls in ways.items()}
    assert encoded["ours"] == encoded["numpy"]
    heard = [g711.decode(bytes(data), law) for data in (encoded["ours"], encoded["pyav"])]  # type: ignore[call-overload]
    # FFmpeg decides otherwise between some levels (tests/encode/test_g711.py).
    assert np.count_nonzero(heard[0] != heard[1]) <= 16


def test_what_pyav_makes_of_g722_is_20_ms() -> None:
    ways = g722_ways()["pyav"]
    assert len(bytes(ways["encode"]())) == 160  # type: ignore[call-overload]
    assert np.asarray(ways["decode"]()).size == 320


def test_a_way_that_does_more_takes_longer() -> None:
    found = timed({"little": lambda: None, "much": lambda: sum(range(20_000))}, 5, 3)
    assert found["much"] > 10 * found["little"]


def test_full_queues_stay_full() -> None:
    ways = relay_ways(3)
    for way in ways.values():
        way()
        way()


def test_a_shared_packet_saves_what_the_number_of_listeners_says() -> None:
    found = allocations(50, 10)
    assert found["shared"] >= 1
    assert found["fewer_pct"] == pytest.approx(98, abs=1)


def test_all_figures_are_there_and_positive() -> None:
    figures = measure(2, 2, queues=5, sharers=5)
    for name in ("pcmu", "pcma"):
        assert set(figures[name]) == {"ours", "numpy", "pyav"}
    for ways in (figures[name] for name in ("pcmu", "pcma", "g722")):
        for values in ways.values():
            assert set(values) == {"decode_us", "encode_us", "frame_us", "decode_frame_us", "samples_per_s"}
            assert all(value > 0 for value in values.values())
    assert set(figures["room_us"]) == {"opus", "g722", "pcmu", "pcma"}
    assert set(figures["relay_ms"]) == {"ours", "asyncio"}
    assert all(value >= 0 for key, value in figures.items() if key.endswith(("_numpy", "_pyav", "_asyncio")))

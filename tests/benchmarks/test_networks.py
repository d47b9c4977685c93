"""The verdicts of the networks benchmark, and the page that is written from its result."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import networks
from benchmarks.rig import networks_page
from rtcserver.network.impair import Counters

pytestmark = pytest.mark.unhurried("computes alone; the rig is imported by what it tests")


def figures(concealed: float, delay: float = 50.0, gap: float = 10.0, missed: int = 0) -> dict[str, Any]:
    return {"concealed_pct": concealed, "delay_ms": delay, "gap_ms": gap, "onsets_missed": missed}


PRESETS: dict[str, dict[str, dict[str, Any] | None]] = {
    "lossy-5": {
        "plain": figures(4.0, 40),
        "ours": figures(0.2, 55),
        "janus": figures(5.0),
        "aiortc": figures(4.0),
    },
    "blackout-10s": {"plain": figures(1), "ours": figures(1, gap=11_500), "janus": None, "aiortc": None},
    "tcp-only": {"plain": None, "ours": figures(0), "janus": None, "aiortc": None},
}


def test_verdicts_are_ratios_of_the_same_run_and_null_where_a_part_is_missing() -> None:
    found = networks.verdicts(PRESETS, 1.5)
    assert found["lossy5_ratio"] == 0.05
    assert found["lossy5_more_ms"] == 15
    assert found["peers_ratio"] == 0.05
    assert found["blackout_back_ms"] == 1_500
    assert found["recording_ok"] is True
    assert found["tcp_join_ratio"] == 1.5
    assert found["lossy20_ratio"] is found["busy_wifi_ratio"] is found["link64_concealed_pct"] is None
    assert set(networks.DEMANDS) == {*found, "red_fanout_ratio"}


def test_a_recording_with_a_hole_or_without_an_onset_is_not_right() -> None:
    for wrong in (figures(0, gap=networks.MOST_GAP_MS + 1), figures(0, missed=1)):
        presets = {"lossy-5": {**PRESETS["lossy-5"], "ours": wrong}}
        assert networks.verdicts(presets, None)["recording_ok"] is False


def test_what_is_made_up_in_silence_is_told_apart() -> None:
    grown = {
        "totalSamplesReceived": 48_000.0,
        "concealedSamples": 4_800.0,
        "silentConcealedSamples": 2_400.0,
        "jitterBufferDelay": 1_920.0,
        "jitterBufferEmittedCount": 48_000.0,
        "insertedSamplesForDeceleration": 48.0,
        "removedSamplesForAcceleration": 0.0,
        "timestamp": 1_000.0,
    }
    found = networks.of_statistics(grown)
    assert (found["concealed_pct"], found["silent_pct"], found["buffer_ms"]) == (5.0, 5.0, 40.0)
    assert (found["stretched_pct"], found["rate_pct"]) == (0.1, 100.0)


def test_the_networks_part_of_a_delay_is_that_of_what_came_through() -> None:
    before = Counters(received=100, lost=10, delay_us=900_000, received_bytes=1_000)
    after = Counters(received=200, lost=20, queue_full=10, delay_us=1_700_000, received_bytes=3_500)
    found = networks.of_network(before, after, 1_000)
    assert found == {"network_ms": 10.0, "lost_pct": 20.0, "kbps": 20.0}


def test_the_plain_stream_is_asked_for_nothing_again() -> None:
    answer = "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\na=rtcp-fb:111 transport-cc\r\n"
    assert networks.without_nack(answer) == answer.replace("a=rtcp-fb:111 nack\r\n", "")
    assert "--no-redundancy" in networks.plain_arguments()


def test_the_table_has_a_row_for_each_network_and_dashes_for_who_heard_nothing() -> None:
    rows = networks_page.table(PRESETS, 30).splitlines()
    assert "| lossy-5 | 4.00 / 40 / 10 | 0.20 / 55 / 10 | 5.00 / 50 / 10 | 4.00 / 50 / 10 |" in rows
    assert "| tcp-only | – | 0.00 / 50 / 10 | – | – |" in rows

"""What a load run says in sentences."""

from __future__ import annotations

from collections import Counter

from rtcserver.load.display import to_text
from rtcserver.load.report import Joins, Window


def test_a_run_is_told_with_its_failures_and_its_packets() -> None:
    joins = Joins(joined=2, times_ms=[10.0, 30.0], failures=Counter({"503: full": 3}), seconds=0.5)
    window = Window(
        seconds=10.0,
        listeners=2,
        expected=2000,
        received=1990,
        gaps=4,
        least=990,
        least_share=0.99,
        overflows=1,
        verified=7,
    )
    assert to_text(joins, window).splitlines() == [
        "2 joined at 4.0/s, each within 10.0 ms (median), 30.0 ms (p99)",
        "3 did not join: 503: full",
        "1990 of 2000 packets in 10.0 s, 4 gaps; the least any listener got: 990 (99.00 %)",
        "7 packets decrypted, 0 of them not authentic",
        "1 packets were lost in the load generator's own sockets",
    ]


def test_a_run_that_nobody_joined_tells_why() -> None:
    joins = Joins(failures=Counter({"no address": 5}))
    assert to_text(joins, Window()) == "nobody could join\n5 did not join: no address"

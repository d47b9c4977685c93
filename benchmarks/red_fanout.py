"""What redundancy costs the broadcast: a packet with one earlier frame for all listeners, beside one without.

The same server serves both kinds of listeners in turns: those whose offer has RED get an earlier frame in each packet
from the start, and keep it, as they report nothing; those without get plain packets. Each turn joins all of them,
measures the CPU time of all server processes but the instrument's for `--seconds`, and lets them leave again. Which kind
begins changes from round to round. As in `fanout`, the server runs on one core and the listeners on the other, in a network
namespace, sockets are emptied in turn and nobody is woken. The tone of the instrument is encoded at the default bit rate.

- ``red_fanout_ratio``: µs for each delivered packet with an earlier frame over µs without, the median of the rounds.
- ``ratios``: each round's. ``red_us``, ``plain_us``: µs for each packet over all rounds.
- ``red_bytes``, ``plain_bytes``: of the packets, with headers and tag; their mean over what the listeners captured last.
- ``missing_pct``: of the packets that time demands. More than one says that the machine was too busy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from benchmarks.fanout import Fanout, gather
from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.isolated import isolate
from benchmarks.rig.outcome import Result, left_s, main_of
from benchmarks.rig.serving import LOAD_CPU, Rtcserver, Server
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options

SETTLE_S = 1.5
OURS = (
    "red_fanout_ratio",
    "red_us",
    "plain_us",
    "ratios",
    "red_bytes",
    "plain_bytes",
    "missing_pct",
    "rounds",
)


def turn(server: Server, fleet: Fleet, listeners: int, seconds: float, total: Fanout) -> tuple[float, float]:
    """All join, are measured, and leave: µs for each packet, and the mean length of a packet."""
    joins = gather(fleet, listeners)
    if joins.joined < listeners:
        raise RuntimeError(f"only {joins.joined} of {listeners} joined: {dict(joins.failures)}")
    fleet.sleep(SETTLE_S)
    one = Fanout()
    total.window.add(one.add(server, fleet, seconds))
    total.cpu += one.cpu
    lengths = [len(packet) for _, packet in fleet.captured()]
    fleet.leave(listeners)
    return one.us, statistics.fmean(lengths)


def measure(result: Result, listeners: int, rounds: int, seconds: float, frame_ms: float) -> dict[str, Any]:
    """As many rounds as there is time for."""
    totals = {"red": Fanout(), "plain": Fanout()}
    lengths: dict[str, list[float]] = {"red": [], "plain": []}
    ratios = []
    with Rtcserver(frame_ms=frame_ms) as server:

        def fleet(*, red: bool) -> Fleet:
            return Fleet(Options(server.url, server.signaling, cpus=(LOAD_CPU,), capture=True, red=red))

        with fleet(red=True) as with_red, fleet(red=False) as without:
            fleets = {"red": with_red, "plain": without}
            time.sleep(SETTLE_S)
            for number in range(rounds):
                began = time.monotonic()
                us: dict[str, float] = {}
                for kind in ("red", "plain") if number % 2 else ("plain", "red"):
                    us[kind], length = turn(server, fleets[kind], listeners, seconds, totals[kind])
                    lengths[kind].append(length)
                ratios.append(round(us["red"] / us["plain"], 3))
                say(f"  round {number + 1}: {us['red']} µs with, {us['plain']} without, {ratios[-1]}")
                if not result.fits(time.monotonic() - began):
                    break
    expected = sum(total.window.expected for total in totals.values())
    received = sum(total.window.received for total in totals.values())
    return {
        "red_fanout_ratio": statistics.median(ratios),
        "red_us": totals["red"].us,
        "plain_us": totals["plain"].us,
        "ratios": ratios,
        "red_bytes": round(statistics.fmean(lengths["red"])),
        "plain_bytes": round(statistics.fmean(lengths["plain"])),
        "missing_pct": round(100 * max(0, expected - received) / max(1, expected), 2),
        "rounds": len(ratios),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--frame-ms", type=float, default=10.0)
    arguments = parser.parse_args()
    isolate("benchmarks.red_fanout")
    before = MachineCpu.now()
    result = Result()
    say(f"{arguments.listeners} listeners with and without RED, {left_s():.0f} s at most")
    with result.peer("ours", OURS) as found:
        found |= measure(result, arguments.listeners, arguments.rounds, arguments.seconds, arguments.frame_ms)
    return result.emit(
        listeners=arguments.listeners,
        frame_ms=arguments.frame_ms,
        machine_busy_pct=before.busy_pct(MachineCpu.now()),
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main))

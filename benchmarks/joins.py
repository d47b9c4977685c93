"""What a join costs the server, with a data channel, beside stock aiortc and Janus; and that nothing is left behind.

A join is signaling, ICE, DTLS and an open data channel, followed at once by leaving; a few at a time. Its price is
the CPU time of all server processes (/proc) less what the same processes spend idle in the same time. The packets
that a listener gets in its short life are included, for every server alike.

On a slow machine fewer joins are made: ``joined`` says how many, and ``joins`` how many were asked for.

With ``--token`` two of our servers are compared, in turns and in nothing else: one with the rules of access that apply out
of the box, and one with twenty rules that do not fit, a last one that asks for a token, and listeners that show one. Each
figure is the median of the rounds.

left_behind: tasks, sockets, sessions and peers of our server after 1000 joins and leaves, more than before them.
heap_growth_mb: memory that no file backs after them, over the same processes after a warm-up of 200.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.isolated import isolate
from benchmarks.rig.janus import Janus, install, require
from benchmarks.rig.outcome import Result, main_of
from benchmarks.rig.serving import LOAD_CPU, Rtcserver, Server, StockAiortc, cpu_of, heap_kb, sockets
from rtcserver.load.fleet import Fleet
from rtcserver.load.report import Joins
from rtcserver.load.worker import Options

IDLE_S = 3.0
WARM_UP = 200
BATCH = 100
"""Joins between two looks at the time that is left."""
CLOSING_S = 10.0
"""What is done after the last join, at least."""
QUIET_S = 30.0
"""How long remains are given to go away: an ended session is forgotten at once, HTTP connections are not."""
ROUNDS = 6
"""Turns of the two servers with ``--token``; every second one begins with the other."""
RULES = 20
"""Rules that let nobody pass, before the one that does."""


OURS = (
    "join_cpu_ms",
    "joins",
    "joined",
    "failed",
    "joins_per_s",
    "join_p50_ms",
    "join_p99_ms",
    "left_behind",
    "left",
    "heap_growth_mb",
)


def joins_cpu_ms(
    result: Result, server: Server, fleet: Fleet, count: int, at_a_time: int
) -> tuple[float, Joins]:
    """CPU ms of one join and leave; of `count` of them, or of the part of them for which there is time."""
    pids = server.pids
    idle, began = cpu_of(pids).total, time.monotonic()
    fleet.sleep(IDLE_S)
    idle_share = (cpu_of(pids).total - idle) / (time.monotonic() - began)
    busy, began = cpu_of(pids).total, time.monotonic()
    joins, tried = Joins(), 0
    while tried < count and (not tried or result.fits(CLOSING_S)):
        batch = fleet.join(min(BATCH, count - tried), stay_s=0, at_a_time=at_a_time)
        tried += min(BATCH, count - tried)
        seconds = joins.seconds + batch.seconds
        joins.add(batch)
        joins.seconds = seconds
    # What is done after the answer to the last DELETE belongs to it.
    fleet.sleep(1.0)
    seconds = time.monotonic() - began
    spent = cpu_of(pids).total - busy - idle_share * seconds
    say(f"  {joins.joined} joined, {dict(joins.failures)}, {1000 * spent / max(1, joins.joined):.2f} ms")
    return round(1000 * spent / max(1, joins.joined), 3), joins


def remains(server: Rtcserver) -> dict[str, int]:
    """What a session could leave behind."""
    health = server.health()
    counted = {name: int(health["backend"][name]) for name in ("tasks", "sessions", "peers")}
    sending = int(health["processes"]["broadcast"]["listeners"])
    return {**counted, "broadcast_listeners": sending, "sockets": sockets(server.pids)}


def ours(result: Result, count: int, at_a_time: int) -> dict[str, Any]:
    """Our server's figures."""
    with Rtcserver() as server:
        options = Options(server.url, server.signaling, datachannel=True, cpus=(LOAD_CPU,))
        with Fleet(options) as fleet:
            fleet.join(WARM_UP, stay_s=0, at_a_time=at_a_time)
            # The next broadcast process is imported and waits while somebody listens, and a minute longer: before and after.
            while server.health()["processes"]["broadcast"]["spare"] is None and result.fits(10):
                fleet.join(1, stay_s=1.5)
        time.sleep(2)
        before, heap = remains(server), heap_kb(server.pids)
        with Fleet(options) as fleet:
            join_ms, joins = joins_cpu_ms(result, server, fleet, count, at_a_time)
        # The load generator's HTTP connections are closed with it.
        deadline = time.monotonic() + QUIET_S
        while (after := remains(server)) != before and time.monotonic() < deadline:
            time.sleep(0.5)
        left = {name: max(0, after[name] - before[name]) for name in after}
        return {
            "join_cpu_ms": join_ms,
            "joins": count,
            **{key: value for key, value in joins.figures().items() if key != "failures"},
            "left_behind": sum(left.values()),
            "left": left,
            "heap_growth_mb": round((heap_kb(server.pids) - heap) / 1024, 2),
        }


def with_token(result: Result, count: int, at_a_time: int) -> dict[str, Any]:
    """A join by a token and many rules beside one without, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "rtcserver.toml"
        rule = '[[access]]\nactions = ["listen", "read"]\nrooms = ["main"]\n'
        rules = [f'{rule}networks = ["203.0.113.{number}/32"]\n' for number in range(RULES)]
        config.write_text("".join([*rules, f"{rule}token = true\n"]))
        words = ("--config", str(config), "--state-dir", folder)
        command = [sys.executable, "-m", "rtcserver", "token", "--rooms", "main", *words]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        assert re.fullmatch(r"[\w.-]+", token), token
        costs: dict[str, list[float]] = {"plain": [], "token": []}
        joined = failed = rounds = 0
        with Rtcserver() as plain, Rtcserver(arguments=words) as guarded:
            servers = {"plain": (plain, plain.url), "token": (guarded, f"{guarded.url}#listen={token}")}
            fleets = {
                name: Fleet(Options(url, server.signaling, datachannel=True, cpus=(LOAD_CPU,)))
                for name, (server, url) in servers.items()
            }
            with fleets["plain"], fleets["token"]:
                for name in servers:
                    fleets[name].join(WARM_UP, stay_s=0, at_a_time=at_a_time)
                began = time.monotonic()
                while rounds < ROUNDS and (
                    not rounds or result.fits((time.monotonic() - began) / rounds + CLOSING_S)
                ):
                    for name in sorted(servers, reverse=bool(rounds % 2)):
                        cost, joins = joins_cpu_ms(
                            result, servers[name][0], fleets[name], count // ROUNDS, at_a_time
                        )
                        costs[name].append(cost)
                        joined += joins.joined
                        failed += sum(joins.failures.values())
                    rounds += 1
        return {
            "join_without_token_cpu_ms": round(median(costs["plain"]), 3),
            "join_with_token_cpu_ms": round(median(costs["token"]), 3),
            "rounds": rounds,
            "joined": joined,
            "failed": failed,
        }


TOKEN = ("join_without_token_cpu_ms", "join_with_token_cpu_ms", "rounds", "joined", "failed")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--joins", type=int, default=1000)
    parser.add_argument("--others", type=int, default=200, help="joins of the other servers")
    parser.add_argument("--at-a-time", type=int, default=4)
    parser.add_argument("--only-ours", action="store_true", help="leave the other servers out")
    parser.add_argument(
        "--token", action="store_true", help="compare joins with a token to joins without, alone"
    )
    arguments = parser.parse_args()
    if arguments.token:
        isolate("benchmarks.joins")
        machine = MachineCpu.now()
        result = Result(peers=1)
        with result.peer("ours", TOKEN) as found:
            found |= with_token(result, arguments.joins, arguments.at_a_time)
        result.ratio("join_with_token_ratio", "join_with_token_cpu_ms", "join_without_token_cpu_ms")
        return result.emit(machine_busy_pct=machine.busy_pct(MachineCpu.now()))
    if not arguments.only_ours:
        install()
    isolate("benchmarks.joins")
    machine = MachineCpu.now()
    result = Result(peers=1 if arguments.only_ours else 3)
    say("ours")
    with result.peer("ours", OURS) as found:
        found |= ours(result, arguments.joins, arguments.at_a_time)
    if not arguments.only_ours:
        say("stock aiortc")
        with result.peer("aiortc", ("aiortc_join_cpu_ms",)) as found, StockAiortc() as stock:
            options = Options(stock.url, stock.signaling, datachannel=True, cpus=(LOAD_CPU,))
            with Fleet(options) as fleet:
                cost, _ = joins_cpu_ms(result, stock, fleet, arguments.others, arguments.at_a_time)
            found["aiortc_join_cpu_ms"] = cost
        say("Janus")
        with result.peer("janus", ("janus_join_cpu_ms",)) as found:
            require()
            with Janus() as janus:
                options = Options(janus.url, janus.data_signaling, datachannel=True, cpus=(LOAD_CPU,))
                with Fleet(options) as fleet:
                    # A join takes Janus a second of waiting: more at a time, so that idling does not blur it.
                    cost, _ = joins_cpu_ms(result, janus, fleet, arguments.others, 16)
                found["janus_join_cpu_ms"] = cost
        result.ratio("ratio_aiortc", "join_cpu_ms", "aiortc_join_cpu_ms")
        result.ratio("ratio_janus", "join_cpu_ms", "janus_join_cpu_ms")
    return result.emit(machine_busy_pct=machine.busy_pct(MachineCpu.now()))


if __name__ == "__main__":
    raise SystemExit(main_of(main))

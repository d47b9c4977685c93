"""What a delivered packet costs the server, beside the kernel's own price, aiortc and Janus.

Ours runs on one core and the load generator on the other, in a network namespace. CPU time is read from /proc over
all server processes; that of the instrument process (capture and encoding), which does not depend on the number of
listeners, is reported apart. ``user_us`` and ``system_us`` are split by the kernel's sampling at its timer
tick, which a process that runs in step with a timer misleads: only their sum is exact.

The floor is `benchmarks.rig.floor`: bare ``sendmmsg`` of the same bytes to the same sockets, half a frame after
each of the server's own ticks. Ours is measured while it runs. Both depend on how the receivers receive, as
loopback delivers in the sender's time:

- ``polled`` (the keys without a prefix): sockets are drained in turn ten times a second, nobody is ever woken. This
  is the least that a packet can cost, and the setting in which all servers are compared.
- ``waiting_``: each of our listeners sleeps in a receive call and is woken for each packet, as a listener in a process
  of its own is.

The other servers may use both cores; each serves as many listeners as it carries, up to 500: at least 99 % of the
packets that the time demands, and of every listener's at least 95 %.

On a slow machine there are fewer rounds rather than more time (``rounds``, ``waiting_rounds``), and the search for what the
others carry ends early (``limited`` names them). A server that fails has null for its keys, and its reason in ``errors``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.floor import Floor
from benchmarks.rig.isolated import isolate
from benchmarks.rig.janus import Janus, install, require
from benchmarks.rig.outcome import Result, main_of
from benchmarks.rig.serving import LOAD_CPU, SERVER_CPU, Cpu, Rtcserver, Server, StockAiortc, pss_kb
from rtcserver.load.fleet import Fleet
from rtcserver.load.report import Joins, Window
from rtcserver.load.worker import Options

FRAME_S = 0.02
SETTLE_S = 2.0
MOST_OTHERS = 500
AT_A_TIME = 16
OURS = (
    "ours_us",
    "floor_us",
    "ratio_floor",
    "user_us",
    "system_us",
    "fixed_cpu_pct",
    "server_cpu_pct",
    "rounds",
    "packets_expected",
    "packets_received",
    "packets_lost",
    "dropped_by_server",
    "floor_packets",
    "send_failures",
    "memory_kb_per_listener",
    "idle_mb",
)
WAITING = ("waiting_ours_us", "waiting_floor_us", "waiting_ratio_floor", "waiting_rounds")
STEPS = (10, 20, 30, 40, 50, 60, 80, 100, 200, 300, 400, 500)


@dataclass(slots=True)
class Fanout:
    """Sums over rounds. cpu: of all server processes but the instrument's, which is `fixed`."""

    cpu: Cpu = field(default_factory=Cpu)
    fixed: Cpu = field(default_factory=Cpu)
    window: Window = field(default_factory=Window)
    seconds: float = 0.0
    rounds: int = 0
    floor_packets: int = 0
    floor_s: float = 0.0

    @property
    def us(self) -> float:
        """µs for each delivered packet."""
        return self.cpu.us_per(self.window.received)

    @property
    def floor_us(self) -> float:
        """The same for bare sendmmsg."""
        return round(1e6 * self.floor_s / max(1, self.floor_packets), 3)

    def add(self, server: Server, fleet: Fleet, seconds: float) -> Window:
        """Measure once more."""
        cpu, fixed = server.cpu()
        began = time.monotonic()
        window = fleet.measure(seconds)
        after, fixed_after = server.cpu()
        self.seconds += time.monotonic() - began
        self.cpu += after - cpu
        self.fixed += fixed_after - fixed
        self.window.add(window)
        return window


def gather(fleet: Fleet, count: int) -> Joins:
    """Join `count` listeners. On a busy machine some may fail: there are three tries."""
    joins = fleet.join(count, at_a_time=AT_A_TIME)
    for _ in range(2):
        missing = count - joins.joined
        if not missing:
            break
        say(f"  {missing} failed: {dict(joins.failures)}")
        again = fleet.join(missing, at_a_time=AT_A_TIME)
        joins.joined += again.joined
        joins.failures += again.failures
    return joins


def ours(
    time_left: Result,
    listeners: int,
    *,
    rounds: int,
    seconds: float,
    datachannel: bool = False,
    waiting: bool = False,
) -> tuple[Fanout, dict[str, Any]]:
    """Our server and the floor in turn, for as many rounds as there is time; also memory, and what joining took."""
    with Rtcserver(frame_ms=1000 * FRAME_S) as server:
        time.sleep(SETTLE_S)
        idle_kb = pss_kb(server.pids)
        options = Options(
            server.url,
            server.signaling,
            datachannel=datachannel,
            cpus=(LOAD_CPU,),
            capture=True,
            waiting=waiting,
        )
        result = Fanout()
        with Fleet(options) as fleet, Floor(server.signaling, server.url, FRAME_S, SERVER_CPU) as floor:
            joins = gather(fleet, listeners)
            if joins.joined < listeners:
                raise RuntimeError(f"only {joins.joined} of {listeners} joined: {dict(joins.failures)}")
            fleet.sleep(SETTLE_S)
            memory_kb = (pss_kb(server.pids) - idle_kb) / listeners
            for number in range(rounds):
                if number and not time_left.fits(seconds + SETTLE_S):
                    say(f"  no time for more than {number} of {rounds} rounds")
                    break
                result.rounds += 1
                floor.begin(fleet.captured())
                window = result.add(server, fleet, seconds)
                packets, spent_s = floor.end()
                result.floor_packets += packets
                result.floor_s += spent_s
                say(
                    f"  round {number + 1}: {window.received} packets, {result.us} µs, floor {result.floor_us}"
                )
            backlog = server.health()["processes"]["broadcast"]["dropped"]
        figures = {
            **joins.figures(),
            "send_failures": backlog,
            "memory_kb_per_listener": round(memory_kb, 1),
            "idle_mb": idle_kb >> 10,
        }
        return result, figures


def carried(
    time_left: Result, make: Callable[[], Server], most: int, seconds: float
) -> tuple[float, int, bool]:
    """The largest number of listeners that a server carries, µs for each packet then, and whether time ended the search."""
    best, best_us, began = 0, 0.0, time.monotonic()
    with make() as server, Fleet(Options(server.url, server.signaling, cpus=(LOAD_CPU,))) as fleet:
        for step in (step for step in STEPS if step <= most):
            # The next step may take as long as all before it: joins grow with it.
            if best and not time_left.fits(time.monotonic() - began):
                say(f"  no time for {step}")
                return best_us, best, True
            joins = gather(fleet, step - best)
            if joins.joined < step - best:
                break
            fleet.sleep(SETTLE_S)
            result = Fanout()
            window = result.add(server, fleet, seconds)
            say(f"  {step}: {window.received} of {window.expected} packets, {result.us} µs")
            if window.received < 0.99 * window.expected or window.least_share < 0.95:
                break
            best, best_us = step, result.us
    return best_us, best, False


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--datachannel", action="store_true", help="every listener has a data channel")
    parser.add_argument("--only-ours", action="store_true", help="leave the other servers out")
    arguments = parser.parse_args()
    n: int = arguments.listeners
    rounds, seconds, channel = arguments.rounds, arguments.seconds, arguments.datachannel
    others: tuple[tuple[str, Callable[[], Server]], ...] = (
        ("janus", Janus),
        ("aiortc_packet", lambda: Rtcserver(transport="aiortc", cpu=None)),
        ("aiortc_stock", StockAiortc),
    )
    if n > MOST_OTHERS or arguments.only_ours:
        others = ()
    if others:
        install()
    isolate("benchmarks.fanout")
    before = MachineCpu.now()
    result = Result(peers=2 + len(others) if n <= MOST_OTHERS else 1)
    say(f"ours, {n} listeners, receivers polled")
    with result.peer("ours", OURS) as found:
        polled, figures = ours(result, n, rounds=rounds, seconds=seconds, datachannel=channel)
        found |= {**ours_figures(polled), **figures}
    if n <= MOST_OTHERS:
        say(f"ours, {n} listeners, receivers waiting")
        with result.peer("ours_waiting", WAITING) as found:
            waiting, _ = ours(result, n, rounds=rounds, seconds=seconds, datachannel=channel, waiting=True)
            found |= {
                "waiting_ours_us": waiting.us,
                "waiting_floor_us": waiting.floor_us,
                "waiting_ratio_floor": round(waiting.us / waiting.floor_us, 3),
                "waiting_rounds": waiting.rounds,
            }
    limited = []
    for name, make in others:
        say(name)
        with result.peer(name, (f"{name}_us", f"{name}_listeners")) as found:
            if name == "janus":
                require()
            us, most, early = carried(result, make, n, seconds)
            found |= {f"{name}_us": us if most else None, f"{name}_listeners": most}
            if early:
                limited.append(name)
    if others:
        result.ratio("ratio_janus", "janus_us", "ours_us", 2)
        result.ratio("ratio_aiortc", "aiortc_stock_us", "ours_us", 2)
    return result.emit(
        listeners=n, datachannel=channel, limited=limited, machine_busy_pct=before.busy_pct(MachineCpu.now())
    )


def ours_figures(polled: Fanout) -> dict[str, Any]:
    """What is said of our own server, apart from joining and memory."""
    window, packets = polled.window, polled.window.received
    return {
        "ours_us": polled.us,
        "floor_us": polled.floor_us,
        "ratio_floor": round(polled.us / polled.floor_us, 3),
        "user_us": round(1e6 * polled.cpu.user / max(1, packets), 3),
        "system_us": round(1e6 * polled.cpu.system / max(1, packets), 3),
        "fixed_cpu_pct": round(100 * polled.fixed.total / polled.seconds, 2),
        "server_cpu_pct": round(100 * polled.cpu.total / polled.seconds, 2),
        "rounds": polled.rounds,
        "packets_expected": window.expected,
        "packets_received": packets,
        "packets_lost": window.lost,
        # What a receiver's own full socket lost is not the server's. `send_failures` are datagrams that the kernel
        # did not take from the broadcast process.
        "dropped_by_server": max(0, window.expected - packets - window.overflows),
        "floor_packets": polled.floor_packets,
    }


if __name__ == "__main__":
    raise SystemExit(main_of(main))

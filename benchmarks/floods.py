"""What a listener that floods the port costs all others: joins, their datagrams, and the bytes that it draws.

A listener that is as authentic as any other sends one kind of datagram at 20 Mb/s, or as fast as one core can make
them, beside bystanders and newcomers. Each kind twice in a row: to a socket of the flooder's own, which costs the
machine the same, and to the server. So what a join takes longer is the server's doing. The kinds
(`benchmarks.rig.flooder`):

nacks: requests to resend thousands of numbers. reports: small SRTCP. chunks: 50 chunks of a byte in a datagram.
records: one in a datagram. heartbeats: 60 in a packet. media: RTP, which nobody wants. checks: of its own address.
addresses: checks that name 32 other addresses.

For each: ``join_ms``, ``join_beside_ms`` (p50, without and with the flood), ``join_ratio``, ``failed`` (joins),
``lost`` (the bystanders' packets), ``unanswered`` (their checks), ``bytes_ratio`` (all bytes that the server sent to
the flooder and to the addresses that it named, over its own stream's), ``flood_mbps``, ``flood_per_s`` (datagrams),
``overflowed`` (datagrams that found the port's queue full), ``shut_out`` (that the kernel dropped). A check or two may
be under way when the counting ends.

join_idle_ms: p50 with no flood at all; the flooder has a core with the newcomers, so it is less than any other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.flooder import KINDS
from benchmarks.rig.isolated import isolate
from benchmarks.rig.outcome import Result, main_of
from benchmarks.rig.serving import LOAD_CPU, Rtcserver, pinned
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options

BYSTANDERS = 10
SETTLE_S = 0.5
"""Between the beginning of a flood and the first join beside it."""
CLOSING_S = 25.0
"""What one more kind may take, with joins that fail."""

OURS = (
    "floods",
    "join_idle_ms",
    "join_ratio_worst",
    "bytes_ratio_worst",
    "lost",
    "unanswered",
    "overflowed",
    "failed",
    "kinds_left_out",
)


class Flooding:
    """The process of `benchmarks.rig.flooder`. Use as a context manager."""

    def __init__(self, url: str, kind: str, mbps: float) -> None:
        words = [sys.executable, "-m", "benchmarks.rig.flooder", url, kind, f"{mbps:g}"]
        self._process = subprocess.Popen(
            pinned(words, LOAD_CPU), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._line() != "joined":
            raise RuntimeError("the flooder did not join.")

    def __enter__(self) -> Flooding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def begin(self, where: str, seconds: float) -> None:
        """Flood ``sink`` or the server (``flood``) for so long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{where} {seconds:g}\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Wait for the end of it; what was sent and what came."""
        found: dict[str, Any] = json.loads(self._line())
        if "error" in found:
            raise RuntimeError(str(found["error"]))
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the flooder has ended.")
        return line


def counted(server: Rtcserver) -> dict[str, int]:
    """The port's counters."""
    datagrams: dict[str, int] = server.health()["backend"]["datagrams"]
    return datagrams


def beside(server: Rtcserver, bystanders: Fleet, newcomers: Fleet, kind: str, options: Any) -> dict[str, Any]:
    """The figures of one kind."""
    with Flooding(f"{server.url}", kind, options.mbps) as flooding:
        flooding.begin("sink", options.seconds)
        time.sleep(SETTLE_S)
        without = newcomers.join(options.joins, stay_s=0, at_a_time=1)
        flooding.end()
        before = counted(server)
        bystanders.begin()
        flooding.begin("flood", options.seconds)
        time.sleep(SETTLE_S)
        joins = newcomers.join(options.joins, stay_s=0, at_a_time=1)
        flood = flooding.end()
        window = bystanders.end()
        after = counted(server)
    one, other = without.figures()["join_p50_ms"], joins.figures()["join_p50_ms"]
    drawn = flood["received_bytes"] + flood["elsewhere_bytes"]
    found = {
        "join_ms": one,
        "join_beside_ms": other,
        "join_ratio": round(float(str(other)) / float(str(one)), 3) if one and other else None,
        "failed": joins.figures()["failed"],
        "lost": window.lost,
        "unanswered": max(0, window.checks_sent - window.checks_answered),
        "bytes_ratio": round(drawn / flood["stream_bytes"], 3) if flood["stream_bytes"] else None,
        "flood_mbps": round(8 * flood["sent_bytes"] / flood["seconds"] / 1e6, 1),
        "flood_per_s": round(flood["sent"] / flood["seconds"]),
        "overflowed": after.get("udp_overflowed", 0) - before.get("udp_overflowed", 0),
        "shut_out": after.get("gate_dropped", 0) - before.get("gate_dropped", 0),
    }
    say(f"  {kind}: {found}")
    return found


def ours(result: Result, options: Any) -> dict[str, Any]:
    """All kinds beside one server."""
    floods: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    with Rtcserver() as server:
        load = Options(server.url, server.signaling, datachannel=True, cpus=(LOAD_CPU,))
        with Fleet(load) as bystanders, Fleet(load) as newcomers:
            bystanders.join(BYSTANDERS)
            newcomers.join(5, stay_s=0, at_a_time=1)
            idle = newcomers.join(options.joins, stay_s=0, at_a_time=1).figures()["join_p50_ms"]
            for kind in options.kinds:
                if floods and not result.fits(2 * options.seconds + CLOSING_S):
                    left_out.append(kind)
                    continue
                floods[kind] = beside(server, bystanders, newcomers, kind, options)

    def worst(key: str) -> float | None:
        values = [one[key] for one in floods.values()]
        return None if None in values else max(values)

    def total(key: str) -> int:
        return sum(one[key] for one in floods.values())

    return {
        "floods": floods,
        "join_idle_ms": idle,
        "join_ratio_worst": worst("join_ratio"),
        "bytes_ratio_worst": worst("bytes_ratio"),
        "lost": total("lost"),
        "unanswered": total("unanswered"),
        "overflowed": total("overflowed"),
        "failed": total("failed"),
        "kinds_left_out": left_out,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--mbps", type=float, default=20, help="at most; small datagrams reach less")
    parser.add_argument("--seconds", type=float, default=8, help="of each flood")
    parser.add_argument("--joins", type=int, default=100, help="without and beside each")
    options = parser.parse_args()
    isolate("benchmarks.floods")
    machine = MachineCpu.now()
    result = Result()
    with result.peer("ours", OURS) as found:
        found |= ours(result, options)
    return result.emit(machine_busy_pct=machine.busy_pct(MachineCpu.now()))


if __name__ == "__main__":
    raise SystemExit(main_of(main))

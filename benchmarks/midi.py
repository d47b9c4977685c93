"""MIDI over a bad network: how long events take to the server and to a listener, and whether notes hang.

A real server (embedded instrument), a performer and a listener as headless clients (stock aiortc), each in a
process of its own, both behind the seeded relay, which loses and reorders every datagram of theirs but STUN and
RTCP (so DTLS with the DataChannels, and RTP). A third client without the relay keeps the media clock: an event's
media time is when the server handled it, and by that clock also a monotonic time of this machine.

``up``: from the key to the server's handling; ``down``: from there to the listener's state machine having it, new
or repaired, in Listen cadence. ``hang``: what note-offs took, up, down, and from hand to listener. Reordering holds
a datagram back by 25 ms. Each loss is measured with the reordering asked for; without any, also a clean line.

JSON: ``cases`` → ``loss-reorder`` in percent → ``up``, ``down`` (``p50_ms``, ``p99_ms``, ``max_ms``, ``events``),
``hang`` (``up_max_ms``, ``down_max_ms``, ``total_max_ms``), ``hung``, ``undelivered``, ``repaired``,
``relay_late_over_1ms``; ``clock_rtt_ms``: half of it bounds the error of the split between up and down.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any, Self

from benchmarks.rig.common import MachineCpu, emit, percentile, say
from benchmarks.rig.midi_client import when_ns
from benchmarks.rig.outcome import LONG_S, main_of
from rtcserver.network.impair import CLEAN, Impairment
from tests.rig.perform import performer_token
from tests.rig.process import REPOSITORY, RigError
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

SETTLE_S = 1.5
HANG_MS = 300.0
_MATCH_NS = 3e9
"""No event takes longer than this, and no key comes again sooner."""


class Client:
    """A `benchmarks.rig.midi_client` process."""

    def __init__(self, url: str, token: str = "", relay: tuple[str, int] | None = None) -> None:
        argument = json.dumps([url, token, *(relay or ())])
        code = f"from benchmarks.rig.midi_client import main; main({argument!r})"
        self._child = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self.answer()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # unread commands to a process that is gone
            self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()

    def kill(self) -> None:
        """End it as a crash would, without a goodbye."""
        self._child.kill()

    def tell(self, line: str) -> None:
        """Give it something to do; `answer` waits until it is done."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What it says next."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RigError("a headless client ended")
        said: dict[str, Any] = json.loads(line)
        return said

    def take(self) -> dict[str, Any]:
        """What it has played and heard since the last time."""
        self.tell("take")
        return self.answer()


def figures(times_ms: list[float]) -> dict[str, Any]:
    return {
        "p50_ms": round(percentile(times_ms, 50), 2),
        "p99_ms": round(percentile(times_ms, 99), 2),
        "max_ms": round(max(times_ms), 2),
        "events": len(times_ms),
    }


def judge(played: dict[str, Any], clock: dict[str, Any], heard: dict[str, Any]) -> dict[str, Any]:
    """Of one case. played: the performer's `take`; clock: of the client without the relay; heard: the listener's."""
    handled = [(when_ns(clock, media), message) for _, message, media, _ in clock["heard"]]
    arrived = [(at, message) for at, message, _, _ in heard["heard"]]
    ups: list[float] = []
    downs: list[float] = []
    offs: dict[str, list[float]] = {"up": [], "down": [], "total": []}
    undelivered = hung = 0
    for pushed_ns, message in played["pushed"]:
        is_off = message.startswith("8")
        at = _first(handled, message, pushed_ns - 5e6)
        seen = None if at is None else _first(arrived, message, at - 5e6)
        if at is None or seen is None:
            undelivered += 1
            hung += is_off
            continue
        ups.append((at - pushed_ns) / 1e6)
        downs.append((seen - at) / 1e6)
        if is_off:
            offs["up"].append(ups[-1])
            offs["down"].append(downs[-1])
            offs["total"].append((seen - pushed_ns) / 1e6)
    return {
        "up": figures(ups),
        "down": figures(downs),
        "hang": {f"{name}_max_ms": round(max(times), 2) for name, times in offs.items()},
        "hung": hung + sum(ms > HANG_MS for ms in offs["total"]),
        "undelivered": undelivered,
        "repaired": sum(repaired for *_, repaired in heard["heard"]),
    }


def _first(events: list[tuple[float, str]], message: str, since_ns: float) -> float | None:
    """The first time of the same note on or off (a repair has its own velocity) from then on."""
    times = [at for at, said in events if said[:4] == message[:4] and since_ns <= at < since_ns + _MATCH_NS]
    return min(times, default=None)


def measure(cases: list[tuple[float, float]], events: int, seed: int) -> dict[str, Any]:
    """All cases with the same session of each client."""
    result: dict[str, Any] = {}
    clock_rtt = 0.0
    with ExitStack() as stack:
        server = stack.enter_context(RtcServer(instrument="fluidsynth", demo="false"))
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        relay = stack.enter_context(UdpRelay(("127.0.0.1", server.port), seed=seed, spare=("stun", "rtcp")))
        token = performer_token(server)
        performer = stack.enter_context(Client(server.room_url, token, relay.address))
        listener = stack.enter_context(Client(server.room_url, "", relay.address))
        clock = stack.enter_context(Client(server.room_url))
        for loss, reorder in cases:
            name = f"{loss:g}-{reorder:g}"
            say(f"midi: {loss:g} % lost, {reorder:g} % reordered, {events} events …")
            bad = Impairment(loss=loss / 100, reorder=reorder / 100)
            for client in (performer, listener, clock):
                client.take()
            before = relay.counters()
            relay.impair(up=bad, down=bad)
            performer.tell(f"play {events} {seed}")
            performer.answer()
            time.sleep(SETTLE_S)
            relay.impair(up=CLEAN, down=CLEAN)
            time.sleep(SETTLE_S)
            after = relay.counters()
            reference = clock.take()
            clock_rtt = max(clock_rtt, reference["rtt_ms"])
            result[name] = judge(performer.take(), reference, listener.take())
            result[name]["relay_late_over_1ms"] = sum(
                now.late_over_1ms - then.late_over_1ms for now, then in zip(after, before, strict=True)
            )
            result[name]["relay_lost"] = sum(
                now.lost - then.lost for now, then in zip(after, before, strict=True)
            )
            say(f"  {json.dumps(result[name])}")
    return {"cases": result, "clock_rtt_ms": round(clock_rtt, 3)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loss", default="0,5,20", help='percent, of all datagrams (default "0,5,20")')
    parser.add_argument("--reorder", type=float, default=10, help="percent held back by 25 ms (default 10)")
    parser.add_argument("--events", type=int, default=300, help="for each case (default 300, half a minute)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    losses = [float(word) for word in args.loss.split(",")]
    if not all(0 <= value < 100 for value in (*losses, args.reorder)) or args.events < 20:
        parser.error("allowed are percentages below 100, and --events from 20")
    cases = [(0.0, 0.0)] if 0 in losses and args.reorder else []
    cases += [(loss, args.reorder) for loss in losses]
    machine = MachineCpu.now()
    result = measure(cases, args.events, args.seed)
    emit({"benchmark": "midi", **result, "machine_busy_pct": machine.busy_pct(MachineCpu.now())})
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))

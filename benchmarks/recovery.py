"""How soon is the sound back after a process was killed, beside a fresh join of the same client, also on a busy machine?

A headless client that comes back (`rtcserver.client.returning`) listens to the tone. In each round one process is ended by
SIGKILL: the instrument's, the broadcast process, or the server, which a supervisor (this program) starts again at once.
What is told is the time from the signal to the first packet with sound in it, silence not counted; p95 of all rounds.

join_ms: from setting out to the first such packet, of a client that joins anew. server_start_ms: from starting the
server to its first answer over HTTP. left_behind: listeners that were not back after `LIMIT_S`, of rounds and herd.
herd_back_s: so many seconds after the server was killed, all `--herd` listeners of the load generator have packets
again. herd_predicted_s: what as many joins take by the rate of `script/bench joins`, measured before in the same run.
stress: the same figures, and of how many rounds they are, while stress-ng keeps all cores busy.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from benchmarks.rig.busy import busy
from benchmarks.rig.common import MachineCpu, percentile, say
from benchmarks.rig.isolated import isolate
from benchmarks.rig.outcome import LONG_S, Result, main_of
from benchmarks.rig.serving import LOAD_CPU, Rtcserver
from rtcserver.client.listener import Listener
from rtcserver.client.measure import Packet
from rtcserver.client.returning import ReturningListener
from rtcserver.clock import NS, monotonic_ns
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options

ROUNDS = 20
HERD = 500
PREDICTING_JOINS = 200
START_LIMIT_S = 90.0
"""A server that has not answered by then is not worth waiting for: the machine is too busy to measure anything."""
LIMIT_S = 45.0
"""A listener that is not back by then is left behind."""
SETTLE_S = 2.0
"""Between two rounds, and half as much again at random: nothing is to fall on the same moment of a timer each time."""
LOOK_S = 0.002
SOUND_BYTES = 60
"""A datagram of the tone is larger, one of encoded silence smaller."""
AT_A_TIME = 4
"""As in `joins`."""
KEYS = (
    "join_ms",
    "instrument_back_ms",
    "broadcast_back_ms",
    "server_start_ms",
    "server_back_ms",
    "left_behind",
    "herd_back_s",
    "herd_predicted_s",
)
PARTS = ("join", "instrument", "broadcast", "server")


class Ears(ReturningListener):
    """A returning listener that tells when it hears sound. Each method gives ms, or None for one that is left behind."""

    async def sound_after(self, since_ns: int) -> float | None:
        """From a moment to the first sound after it."""
        return await self._first(since_ns, lambda ear, packet: packet.size > SOUND_BYTES)

    async def sound_after_silence(self, since_ns: int) -> float | None:
        """From a moment to the first sound behind silence, in the same session.

        An instrument may be back before a frame of silence was due: after a second of sound alone, the packet counts
        that the listener waited longest for.
        """
        silent: set[int] = set()
        sound = {since_ns}

        def heard(ear: Listener, packet: Packet) -> bool:
            if packet.size <= SOUND_BYTES:
                silent.add(packet.arrival_ns)
                return False
            sound.add(packet.arrival_ns)
            return bool(silent) and packet.arrival_ns > min(silent)

        def enough(ear: Listener, packet: Packet) -> bool:
            return heard(ear, packet) or (not silent and packet.arrival_ns - since_ns >= NS)

        took = await self._first(since_ns, enough)
        if took is None or silent:
            return took
        return max((after - before, after - since_ns) for before, after in pairwise(sorted(sound)))[1] / 1e6

    async def sound_elsewhere(self, since_ns: int) -> float | None:
        """From a moment to the first sound of another session than that of now."""
        before = self.ear
        return await self._first(
            since_ns, lambda ear, packet: ear is not before and packet.size > SOUND_BYTES
        )

    async def _first(self, since_ns: int, wanted: Callable[[Listener, Packet], bool]) -> float | None:
        while monotonic_ns() - since_ns < LIMIT_S * NS:
            ear = self.ear
            for packet in tuple(ear.packets) if ear is not None else ():
                if ear is not None and packet.arrival_ns > since_ns and wanted(ear, packet):
                    return (packet.arrival_ns - since_ns) / 1e6
            await asyncio.sleep(LOOK_S)
        return None


async def fresh_join(url: str) -> float:
    """ms from setting out to the first sound."""
    began = monotonic_ns()
    async with Ears(url) as ears:
        took = await ears.sound_after(began)
    if took is None:
        raise RuntimeError("a client that joined heard nothing")
    return took


def first_answer(server: Rtcserver, began_ns: int) -> float:
    """ms until the server answers over HTTP. Blocking."""
    while monotonic_ns() - began_ns < START_LIMIT_S * NS:
        with contextlib.suppress(OSError, ValueError):
            server.health()
            return (monotonic_ns() - began_ns) / 1e6
        server.revive()
        time.sleep(0.01)
    raise RuntimeError("the server does not start again")


class Rounds:
    """The rounds on one server, with and without stress. times: in ms by part; left_behind: of which there is no time."""

    def __init__(self, server: Rtcserver) -> None:
        self._server = server
        self.times: dict[str, list[float]] = {part: [] for part in (*PARTS, "server_start")}
        self.left_behind = 0

    async def run(self, part: str) -> None:
        """One round."""
        if part == "join":
            self.times["join"].append(await fresh_join(self._server.url))
            await asyncio.sleep(0.1)
            return
        async with Ears(self._server.url) as ears:
            await ears.sound_after(monotonic_ns())
            await self._settled()
            await asyncio.sleep(SETTLE_S * random.uniform(1, 1.5))
            if part == "server":
                took = await self._lose_server(ears)
            else:
                pid = self._pid("instrument:main" if part == "instrument" else "broadcast")
                took = await self._lose(ears, pid, same_session=part == "instrument")
        if took is None:
            self.left_behind += 1
            say(f"  {part}: left behind")
        else:
            self.times[part].append(took)
        await self._settled()

    async def _lose(self, ears: Ears, pid: int, *, same_session: bool) -> float | None:
        os.kill(pid, signal.SIGKILL)
        killed = monotonic_ns()
        return await (ears.sound_after_silence(killed) if same_session else ears.sound_elsewhere(killed))

    async def _lose_server(self, ears: Ears) -> float | None:
        killed = monotonic_ns()
        began = await asyncio.to_thread(self._server.crash)
        starting = asyncio.create_task(asyncio.to_thread(first_answer, self._server, began))
        took = await ears.sound_elsewhere(killed)
        self.times["server_start"].append(await starting)
        return took

    async def _settled(self) -> None:
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if (await asyncio.to_thread(self._server.health))["status"] == "ok":
                    return
            await asyncio.sleep(0.1)
        raise RuntimeError("the server does not become healthy again")

    def _pid(self, process: str) -> int:
        return int(self._server.health()["processes"][process]["pid"])


def herd(server: Rtcserver, count: int) -> tuple[dict[str, Any], int]:
    """Figures of many that lose the server at once, and how many were left behind."""
    options = Options(server.url, server.signaling, datachannel=True, cpus=(LOAD_CPU,), returning=True)
    with Fleet(options) as fleet:
        joins = fleet.join(PREDICTING_JOINS, stay_s=0, at_a_time=AT_A_TIME)
        predicted = count * joins.seconds / max(1, joins.joined)
        joined = fleet.join(count).joined
        fleet.sleep(SETTLE_S)
        fleet.returns()
        killed = monotonic_ns()
        began = server.crash()
        started = first_answer(server, began)
        deadline, back, last = time.monotonic() + 4 * predicted + LIMIT_S, 0, 0
        while back < joined and time.monotonic() < deadline:
            fleet.sleep(0.25)
            found = fleet.returns()
            back, last = back + found.back, max(last, found.last_ns)
        took = (last - killed) / 1e9 if last else None
    say(
        f"  herd: {back} of {joined} after {took or 0:.2f} s, server {started:.0f} ms, predicted {predicted:.2f} s"
    )
    return {
        "herd_back_s": round(took, 2) if took is not None and back >= joined else None,
        "herd_predicted_s": round(predicted, 2),
    }, joined - back


async def all_rounds(result: Result, rounds: Rounds, count: int) -> None:
    """As many rounds as fit, the parts in turn."""
    for number in range(count):
        for part in PARTS:
            if not result.fits(3 * LIMIT_S if number else 0):
                return
            await rounds.run(part)
        latest = {name: round(values[-1]) for name, values in rounds.times.items() if values}
        say(f"  {number + 1}: {latest}")


def measure(result: Result, count: int, listeners: int) -> dict[str, Any]:
    """All figures, on a server of their own."""
    with Rtcserver() as server:
        rounds = Rounds(server)
        asyncio.run(all_rounds(result, rounds, count))
        found: dict[str, Any] = {}
        for part, values in rounds.times.items():
            key = {"join": "join_ms", "server_start": "server_start_ms"}.get(part, f"{part}_back_ms")
            found[key] = round(percentile(values, 95), 1) if values else None
        herd_figures, left = herd(server, listeners) if listeners else ({}, 0)
    return {
        **found,
        **herd_figures,
        "left_behind": rounds.left_behind + left,
        "rounds": len(rounds.times["server"]),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--herd", type=int, default=HERD, help="listeners that lose their server at once; 0: none"
    )
    parser.add_argument("--no-stress", action="store_true", help="leave the busy machine out")
    arguments = parser.parse_args()
    isolate("benchmarks.recovery")
    machine = MachineCpu.now()
    result = Result(peers=1 if arguments.no_stress else 2)
    with result.peer("recovery", KEYS) as found:
        found |= measure(result, arguments.rounds, arguments.herd)
    if not arguments.no_stress:
        say("under stress")
        with result.peer("stress", ("stress",)) as found, busy():
            found["stress"] = measure(result, arguments.rounds, arguments.herd)
    return result.emit(machine_busy_pct=machine.busy_pct(MachineCpu.now()))


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))

"""Studio: does a page play every sample in its time, and what does it cost the page and the server?

Three parts, one after the other:

- **page**: a real Chromium plays Studio for ``--seconds`` from a server on loopback whose instrument is a file of
  seeded 24-bit noise at 44.1 kHz. ``underruns`` and ``lost`` are those of that time. ``level_p5_ms`` and
  ``level_p95_ms``: the ring's level less its target, as the page shows both, ten times a second. ``burst_p5_ms`` and
  ``burst_p95_ms``: the same of the page's own percentiles over the bursts of the device (of its last 5 to 10 s).
  ``null_test_max_abs``: afterwards ``--null-seconds`` are recorded in the worklet, and every quantum that it calls a
  copy is compared with the file, sample by sample (1 is full scale); ``exact_pct`` of the quanta are copies, in
  the others the worklet follows its clock. ``client_cpu_pct``: the share of a core that the page's own code for the
  sound uses, that is the threads of its worker and its worklet; ``client_sound_cpu_pct``: those and the other
  threads of the renderer that carry sound (Chromium's own receiving, decrypting and output);
  ``client_all_cpu_pct``: all of Chromium, with drawing. All less what they use on the page before it plays.
- **listeners**: ``--listeners`` Studio listeners of the load generator, in a network namespace, the server on one
  core and they on the other. ``cpu_pct_per_listener``: CPU time of all server processes beyond those of the idle
  server, by listener. ``gaps``: places in the sequence where a packet is missing that no socket of the generator
  dropped; ``short``: packets that time demanded and that were never sent.
- **pacing**: `benchmarks.pacing` of Listen listeners, alone and beside as many Studio listeners.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Page

from benchmarks.fanout import gather
from benchmarks.rig.common import TICK_HZ, MachineCpu, emit, percentile, say
from benchmarks.rig.isolated import isolate
from benchmarks.rig.outcome import LONG_S, Result, main_of
from benchmarks.rig.serving import LOAD_CPU, Rtcserver
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options
from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer
from tests.studio.listening import QUANTUM, noise, record

PAGE = (
    "underruns",
    "lost",
    "level_p5_ms",
    "level_p95_ms",
    "burst_p5_ms",
    "burst_p95_ms",
    "target_ms",
    "browser_p50_ms",
    "null_test_max_abs",
    "null_test_frames",
    "exact_pct",
    "client_cpu_pct",
    "client_sound_cpu_pct",
    "client_all_cpu_pct",
    "client_threads",
)
PACING = ("pacing_p99_ms", "pacing_late_over_10ms", "pacing_studio_gaps")
SETTLE_S = 15.0
IDLE_S = 10.0
POLL_S = 0.1
_PAGE = ("DedicatedWorker", "Realtime AudioW", "AudioWorklet")
"""How the names of the renderer's threads begin that run the page's worker and worklet."""
_DRAWING = re.compile(r"^(chrom.*|Compositor.*|ThreadPool.*|GpuMem.*|HangWatcher.*)$")
"""The renderer's threads that do not carry sound: its main thread, which bears the program's name, and drawing."""


class Threads:
    """CPU time of Chromium's threads, by kind of process and name; seconds so far."""

    def __init__(self) -> None:
        self.spent: defaultdict[tuple[str, str], float] = defaultdict(float)
        for process in psutil.Process().children(recursive=True):
            try:
                words = process.cmdline()
                if not words or "chrom" not in words[0]:
                    continue
                kind = next((word[7:] for word in words if word.startswith("--type=")), "browser")
                for task in Path(f"/proc/{process.pid}/task").iterdir():
                    name = (task / "comm").read_text().strip()
                    # The sum of both is exact; how the kernel splits it is sampled (proc(5)).
                    fields = (task / "stat").read_text().rpartition(")")[2].split()
                    spent = (int(fields[11]) + int(fields[12])) / TICK_HZ
                    self.spent[kind, re.sub(r"[/:\d]+$", "", name)] += spent
            except (psutil.Error, OSError):
                continue

    def until(self, later: Threads, seconds: float) -> dict[tuple[str, str], float]:
        """Percent of a core that each used from here to `later`."""
        return {key: 100 * max(0.0, value - self.spent[key]) / seconds for key, value in later.spent.items()}


async def until(page: Page, expression: str, timeout_s: float = 30.0) -> None:
    """Poll until an expression is true in the page."""
    async with asyncio.timeout(timeout_s):
        while not await page.evaluate(expression):  # noqa: ASYNC110  # the page has no event for it
            await asyncio.sleep(POLL_S)


async def threads_over(seconds: float) -> dict[tuple[str, str], float]:
    """What Chromium's threads use for a while."""
    before, began = Threads(), time.monotonic()
    await asyncio.sleep(seconds)
    return before.until(Threads(), time.monotonic() - began)


async def figures(page: Page) -> dict[str, Any]:
    """What the page says now. Raises RuntimeError if it has left Studio."""
    said: dict[str, Any] | None = await page.evaluate(
        "(stats => stats && {...stats.ring, browserMs: stats.browserMs})(window.rtcserver.studio.stats())"
    )
    if said is None:
        session = await page.evaluate("JSON.stringify(window.rtcserver.studio.session)")
        raise RuntimeError(f"the page does not play Studio any more: {session}")
    return said


async def poll(page: Page, seconds: float) -> list[dict[str, Any]]:
    """The ring's figures, all the while."""
    found = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found.append(await figures(page))
        await asyncio.sleep(POLL_S)
    return found


async def play(seconds: float, null_seconds: float) -> dict[str, Any]:
    """The page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.wav"
        played = noise(path)
        with RtcServer(instrument="file", file=path, samplerate=44_100) as server:
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            async with Chromium() as browser:
                page = await browser.open(server.room_url)
                await asyncio.sleep(3)
                idle = await threads_over(IDLE_S)
                await page.click("#listen")
                await until(page, "window.rtcserver.state === 'live'")
                await page.evaluate("window.rtcserver.studio.pin('exact')")
                await page.click("#mode-studio")
                await until(page, "window.rtcserver.studio.state === 'playing'")
                await asyncio.sleep(SETTLE_S)
                # Nobody asks the page for anything while its threads are timed.
                busy = await threads_over(IDLE_S)
                say(f"  {await figures(page)}")
                seen = await poll(page, seconds)
                say(f"  {seen[-1]}")
                recording = await record(page, null_seconds)
    quanta, worst = recording.null_test(played, 24)
    first, last = seen[0], seen[-1]
    over = [ring["levelMs"] - ring["targetMs"] for ring in seen]
    low = [ring["levelP5Ms"] - ring["targetMs"] for ring in seen]
    high = [ring["levelP95Ms"] - ring["targetMs"] for ring in seen]
    known = [ring["browserMs"] for ring in seen if ring["browserMs"] is not None]
    cost = {key: value - idle.get(key, 0.0) for key, value in busy.items()}
    sound = [key for key in cost if key[0] == "renderer" and not _DRAWING.match(key[1])]
    return {
        "underruns": last["underruns"] - first["underruns"],
        "lost": last["lost"] - first["lost"],
        "level_p5_ms": round(percentile(over, 5), 2),
        "level_p95_ms": round(percentile(over, 95), 2),
        "burst_p5_ms": round(percentile(low, 50), 2),
        "burst_p95_ms": round(percentile(high, 50), 2),
        "target_ms": round(percentile([ring["targetMs"] for ring in seen], 50), 2),
        "browser_p50_ms": round(percentile(known, 50), 2) if known else None,
        "null_test_max_abs": worst if quanta else None,
        "null_test_frames": quanta * QUANTUM,
        "exact_pct": round(100 * quanta / len(recording.exact), 1),
        "client_cpu_pct": round(sum(cost[key] for key in sound if key[1].startswith(_PAGE)), 2),
        "client_sound_cpu_pct": round(sum(cost[key] for key in sound), 2),
        "client_all_cpu_pct": round(sum(cost.values()), 2),
        "client_threads": _named(cost),
    }


def _named(cost: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """The dearest threads, for a person."""
    ordered = sorted(cost.items(), key=lambda item: -item[1])
    return {f"{kind}/{name}": round(value, 2) for (kind, name), value in ordered if value >= 0.1}


def carry(listeners: int, seconds: float) -> dict[str, Any]:
    """The server with many Studio listeners; inside the namespace."""
    with Rtcserver(arguments=("--studio-listeners", "1000")) as server:
        time.sleep(3)

        def spent() -> float:
            grows, fixed = server.cpu()
            return grows.total + fixed.total

        before, began = spent(), time.monotonic()
        time.sleep(IDLE_S)
        idle = (spent() - before) / (time.monotonic() - began)
        with Fleet(Options(server.url, studio=True, cpus=(LOAD_CPU,))) as fleet:
            joins = gather(fleet, listeners)
            fleet.sleep(3)
            before, began = spent(), time.monotonic()
            window = fleet.measure(seconds)
            busy = (spent() - before) / (time.monotonic() - began)
        dropped = server.health()["processes"]["broadcast"]["dropped"]
    lost = max(0, window.lost - window.overflows)
    return {
        "listeners": joins.joined,
        "cpu_pct_per_listener": round(100 * (busy - idle) / max(1, joins.joined), 4),
        "server_cpu_pct": round(100 * busy, 1),
        "idle_cpu_pct": round(100 * idle, 1),
        "us_per_packet": round(1e6 * (busy - idle) * window.seconds / max(1, window.received), 2),
        "packets": window.received,
        "gaps": min(window.gaps, lost),
        "short": max(0, window.expected - window.received - window.overflows),
        "least_share": round(window.least_share, 4),
        "silent": window.silent,
        "own_overflows": window.overflows,
        "send_failures": dropped,
        "seconds": round(window.seconds, 1),
        "packets_per_s": round(48_000 / window.frame_samples, 1) if window.frame_samples else None,
    }


def part(module: str, *words: str) -> dict[str, Any]:
    """Another benchmark as a process of its own, in a namespace of its own; its result. Raises RuntimeError if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    result: dict[str, Any] = json.loads((done.stdout.splitlines() or ["{}"])[-1])
    if done.returncode:
        raise RuntimeError(f"{module}: {result.get('errors', f'exit code {done.returncode}')}")
    return result


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="that the page plays (default 60)")
    parser.add_argument("--null-seconds", type=float, default=10.0, help="of the null test (default 10)")
    parser.add_argument(
        "--listeners", type=int, default=100, help="of the load generator (default 100; 0: none)"
    )
    parser.add_argument("--pacing-seconds", type=float, default=20.0, help="0: leave pacing out (default 20)")
    parser.add_argument("--carry", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.carry:
        isolate("benchmarks.studio")
        emit(carry(args.listeners, args.carry))
        return 0
    machine = MachineCpu.now()
    many = "listeners_100" if args.listeners == 100 else "listeners_many"
    result = Result(peers=1 + bool(args.listeners) + bool(args.listeners and args.pacing_seconds))
    say(f"studio: a page plays for {args.seconds:g} s …")
    with result.peer("page", PAGE) as found:
        found |= asyncio.run(play(args.seconds, args.null_seconds))
    if args.listeners:
        say(f"studio: {args.listeners} listeners …")
        with result.peer("listeners", ("cpu_pct_per_listener", many)) as found:
            carried = part(
                "benchmarks.studio", "--carry", f"{args.seconds / 2:g}", "--listeners", str(args.listeners)
            )
            found["cpu_pct_per_listener"] = carried.pop("cpu_pct_per_listener")
            found[many] = carried
    if args.listeners and args.pacing_seconds:
        say("studio: pacing of Listen listeners, alone and beside them …")
        with result.peer("pacing", PACING) as found:
            words = ("--seconds", f"{args.pacing_seconds:g}")
            alone = part("benchmarks.pacing", *words)
            beside = part("benchmarks.pacing", *words, "--studio", str(args.listeners))
            for key in ("p99_ms", "late_over_10ms"):
                found[f"pacing_{key}"] = {"alone": alone[key], "beside_studio": beside[key]}
            found["pacing_studio_gaps"] = beside["studio"]["gaps"]
    return result.emit(
        benchmark="studio", seconds=args.seconds, machine_busy_pct=machine.busy_pct(MachineCpu.now())
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))

"""Hours of use: joins, leaves, MIDI, Studio and faults; what is lost, and what the server does not give back.

A real server with the embedded instrument; listeners of the load generator, one who stays, many who come and go, some
of them in Studio; a headless performer who plays. Every so often something breaks (`FAULTS`, in turn). ``start`` is
measured with nobody there, after a warm-up, and ``end`` when everybody has left again. Memory slopes are straight lines
by least squares through samples of the time between, in which each process that was replaced begins a new height, and
its first minutes are left out.

All of it takes less than 15 % of one core, so that it can run beside other things; a busy machine shows in ``gaps``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.rig.common import MachineCpu, emit, process_cpu_s, say
from benchmarks.rig.footprint import Use, footprint, pooled_slope, role_of, total
from benchmarks.rig.household import Household
from benchmarks.rig.outcome import main_of, sentence
from benchmarks.rig.serving import tree
from rtcserver.load.fleet import Fleet
from rtcserver.load.report import Window
from rtcserver.load.worker import Options
from tests.rig.server import RtcServer

FAULTS: tuple[Callable[[Household], float], ...] = (
    Household.instrument_killed,
    Household.performer_vanishes,
    Household.reloaded,
    Household.crowd_vanishes,
    Household.instrument_stopped,
    Household.broadcast_killed,
)
ROUND_S = 30.0
SAMPLE_S = 10.0
TELL_S = 300.0
"""Between two lines for a person."""
WARM_UP = 200
"""Joins before anything is measured."""
QUIET_S = 60.0
"""What remains of sessions is given to go away: an ended session is forgotten at once, HTTP connections are not."""
SETTLE_S = 5.0
FILLING_S = 300.0
"""A process fills its buffers and free lists at first: its slope begins afterwards."""
LIMITS = {"growth_mb": 5.0, "slope_mb_per_h": 1.0, "descriptors_more": 0, "tasks_more": 0}
"""What a run is to stay within."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment. at_h: since the run began. pids: its processes, by role."""

    at_h: float
    pids: dict[str, tuple[int, ...]]
    tasks: int
    uses: dict[str, Use]


@dataclass(slots=True)
class Findings:
    """All that a run collects."""

    samples: list[Sample] = field(default_factory=list)
    window: Window = field(default_factory=Window)
    fault_window: Window = field(default_factory=Window)
    """What those who stayed got while something broke."""
    faults: Counter[str] = field(default_factory=Counter)
    longest_fault_s: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    cpu_s: dict[int, float] = field(default_factory=dict)
    """Of each process that there was, when it was last looked at."""


class Soak:
    """One run against one server."""

    def __init__(
        self, server: RtcServer, *, hours: float, joins_per_hour: float, fault_every_s: float
    ) -> None:
        self._server = server
        self._hours = hours
        self._joins_per_hour = joins_per_hour
        self._fault_every_s = fault_every_s
        self._began = self._sampled = self._told = time.monotonic()
        self.found = Findings()

    def sample(self) -> Sample:
        """The server now."""
        pids = tree(self._server.pid)
        roles: dict[str, tuple[int, ...]] = {}
        for pid in pids:
            with contextlib.suppress(OSError):
                self.found.cpu_s[pid] = process_cpu_s(pid)
            if (role := role_of(pid)) is not None:
                roles[role] = (*roles.get(role, ()), pid)
        tasks = int(self._server.health()["backend"]["tasks"])
        return Sample((time.monotonic() - self._began) / 3600, roles, tasks, footprint(pids))

    def empty(self, tasks_at_most: int | None = None) -> Sample:
        """The server with nobody there, when what they left has gone, or `QUIET_S` are over."""
        deadline = time.monotonic() + QUIET_S
        previous = -1
        while time.monotonic() < deadline:
            backend = self._server.health()["backend"]
            settled = (
                backend["tasks"] == previous if tasks_at_most is None else backend["tasks"] <= tasks_at_most
            )
            if not backend["sessions"] and not backend["peers"] and settled:
                break
            previous = backend["tasks"]
            time.sleep(SETTLE_S)
        time.sleep(SETTLE_S)
        return self.sample()

    def warm_up(self) -> None:
        """Everything that happens later happens once, so that what is made on first use is there."""
        with Fleet(Options(self._server.room_url, datachannel=True)) as fleet:
            fleet.join(WARM_UP, stay_s=0, at_a_time=4)
        with Household(self._server, lambda: None) as household:
            household.round(4, ROUND_S / 2)

    def run(self) -> Household:
        """Rounds until the time is over; faults between them."""
        self._began = time.monotonic()
        next_fault = self._began + self._fault_every_s
        with Household(self._server, self._tick) as household:
            turn = 0
            while time.monotonic() < self._began + self._hours * 3600:
                self.found.window.add(household.round(round(self._joins_per_hour * ROUND_S / 3600), ROUND_S))
                if time.monotonic() >= next_fault:
                    self._break(household, FAULTS[turn % len(FAULTS)])
                    turn += 1
                    next_fault += self._fault_every_s
                self._tell(household)
            household.move_out()
        return household

    def _break(self, household: Household, fault: Callable[[Household], float]) -> None:
        name = fault.__name__
        self.found.faults[name] += 1
        household.begin()
        try:
            took = fault(household)
        except Exception as error:
            self.found.errors.append(f"{name}: {sentence(error)}")
            say(f"  {self.found.errors[-1]}")
            return
        if name != "broadcast_killed":  # all its sessions end
            self.found.fault_window.add(household.end())
        self.found.longest_fault_s[name] = round(max(took, self.found.longest_fault_s.get(name, 0.0)), 2)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._sampled >= SAMPLE_S:
            self._sampled = now
            self.found.samples.append(self.sample())

    def _tell(self, household: Household) -> None:
        if time.monotonic() - self._told < TELL_S or not self.found.samples:
            return
        self._told = time.monotonic()
        last = self.found.samples[-1]
        held = total(last.uses)
        say(
            f"  {last.at_h:.2f} h: {household.joins.joined} joined, {sum(household.joins.failures.values())} failed, "
            f"{self.found.window.lost} packets lost, {held.heap_kb / 1024:.1f} MB, {held.descriptors} descriptors, "
            f"{last.tasks} tasks, {sum(self.found.faults.values())} faults"
        )


def slope(samples: list[Sample], role: str = "", *, heap: bool = True) -> float | None:
    """MB an hour, of one role or of all together; heap or all of the proportional set size. None if nothing tells."""
    roles = [role] if role else sorted({name for sample in samples for name in sample.pids})
    found = [rise for name in roles if (rise := _slope(samples, name, heap)) is not None]
    return round(sum(found), 3) if found else None


def _slope(samples: list[Sample], role: str, heap: bool) -> float | None:
    born: dict[tuple[int, ...], float] = {}
    points = []
    for sample in samples:
        use, pids = sample.uses.get(role), sample.pids.get(role, ())
        if use is not None and sample.at_h - born.setdefault(pids, sample.at_h) >= FILLING_S / 3600:
            points.append((pids, sample.at_h, (use.heap_kb if heap else use.pss_kb) / 1024))
    return pooled_slope(points)


def row(sample: Sample) -> dict[str, Any]:
    """A sample for JSON."""
    held = total(sample.uses)
    return {
        "pss_mb": round(held.pss_kb / 1024, 2),
        "heap_mb": round(held.heap_kb / 1024, 2),
        "descriptors": held.descriptors,
        "threads": held.threads,
        "tasks": sample.tasks,
        "processes": {
            role: {
                "pss_mb": round(use.pss_kb / 1024, 2),
                "heap_mb": round(use.heap_kb / 1024, 2),
                "descriptors": use.descriptors,
                "threads": use.threads,
            }
            for role, use in sample.uses.items()
        },
    }


def table(start: Sample, end: Sample, samples: list[Sample]) -> str:
    """For a person: each process at the start and at the end."""
    lines = [
        f"{'':12}{'PSS, MB':>17}{'heap, MB':>17}{'MB/h':>8}{'descriptors':>14}{'threads':>10}{'tasks':>10}"
    ]
    for role in [*start.uses, "all"]:
        one, two = (
            (total(start.uses), total(end.uses))
            if role == "all"
            else (start.uses[role], end.uses.get(role, Use()))
        )
        rise = slope(samples, "" if role == "all" else role)
        tasks = f"{start.tasks}→{end.tasks}" if role in ("server", "all") else ""
        lines.append(
            f"{role:12}{_step(one.pss_kb, two.pss_kb):>17}"
            f"{_step(one.heap_kb, two.heap_kb):>17}{'' if rise is None else f'{rise:+.2f}':>8}"
            f"{f'{one.descriptors}→{two.descriptors}':>14}{f'{one.threads}→{two.threads}':>10}{tasks:>10}"
        )
    return "\n".join(lines)


def _step(before_kb: int, after_kb: int) -> str:
    return f"{before_kb / 1024:.1f}→{after_kb / 1024:.1f}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--joins-per-hour", type=float, default=1800)
    parser.add_argument("--fault-every-s", type=float, default=240.0, help="seconds between two faults")
    parser.add_argument("--samples", type=Path, help="file for all samples, one JSON object a line")
    arguments = parser.parse_args()
    with RtcServer(
        instrument="fluidsynth",
        demo="false",
        log_level="warning",
        # As few packets as there can be, so that a run takes little of the machine.
        frame_ms=20,
        blocksize=512,
        # All listeners have the same address here, as behind a gateway: it has no limits of its own.
        shared_addresses="127.0.0.1",
    ) as server:
        server.wait_healthy(lambda said: bool(said["status"] == "ok"))
        soak = Soak(
            server,
            hours=arguments.hours,
            joins_per_hour=arguments.joins_per_hour,
            fault_every_s=arguments.fault_every_s,
        )
        say("warming up")
        soak.warm_up()
        start = soak.empty()
        machine, began, busy = MachineCpu.now(), time.monotonic(), sum(soak.found.cpu_s.values())
        say(f"{arguments.hours:g} h from now")
        household = soak.run()
        seconds = time.monotonic() - began
        soak.sample()
        spent = sum(soak.found.cpu_s.values()) - busy
        end = soak.empty(start.tasks)
        found = soak.found
    if arguments.samples:
        arguments.samples.write_text(
            "".join(json.dumps(row(s) | {"at_h": s.at_h}) + "\n" for s in found.samples)
        )
    say(table(start, end, found.samples))
    before, after = total(start.uses), total(end.uses)
    judged = {
        "growth_mb": round((after.heap_kb - before.heap_kb) / 1024, 2),
        "slope_mb_per_h": slope(found.samples),
        "descriptors_more": after.descriptors - before.descriptors,
        "tasks_more": end.tasks - start.tasks,
    }
    missed = [key for key, limit in LIMITS.items() if (value := judged[key]) is not None and value > limit]
    joins = household.joins.figures()
    emit(
        {
            "hours": round(seconds / 3600, 4),
            "joined": joins["joined"],
            "failed": joins["failed"],
            "failures": joins["failures"],
            "packets_expected": found.window.expected,
            "packets_lost": found.window.lost,
            "gaps": found.window.gaps,
            "fault_packets_lost": found.fault_window.lost,
            "own_overflows": found.window.overflows,
            "midi_played": household.played,
            "midi_unheard": household.unheard,
            "performers_lost": household.performers_lost,
            "faults": dict(found.faults),
            "longest_fault_s": found.longest_fault_s,
            "growth_mb": judged["growth_mb"],
            "slope_mb_per_h": judged["slope_mb_per_h"],
            "server_slope_mb_per_h": slope(found.samples, "server"),
            "pss_growth_mb": round((after.pss_kb - before.pss_kb) / 1024, 2),
            "pss_slope_mb_per_h": slope(found.samples, heap=False),
            "descriptors_more": judged["descriptors_more"],
            "tasks_more": judged["tasks_more"],
            "threads_more": after.threads - before.threads,
            "start": row(start),
            "end": row(end),
            "cpu_pct": round(100 * spent / seconds, 2),
            "machine_busy_pct": machine.busy_pct(MachineCpu.now()),
            "missed": missed,
            "errors": found.errors,
        }
    )
    return 1 if missed or found.errors else 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, default_s=86_400))

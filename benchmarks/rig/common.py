"""What the benchmarks share: words to stderr, the result to stdout, and how busy the machine was."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICK_HZ = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    """A line for a person; stdout is for the result."""
    print(text, file=sys.stderr, flush=True)


_emitted = 0


def emitted() -> int:
    """How many results were printed so far."""
    return _emitted


def emit(result: dict[str, Any]) -> None:
    """The result: one line of JSON, the last on stdout."""
    global _emitted
    _emitted += 1
    sys.stderr.flush()
    print(json.dumps(result, separators=(", ", ": ")), flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value at or below which `percent` of `values` lie (nearest rank). Raises ValueError for none."""
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def process_cpu_s(pid: int) -> float:
    """CPU seconds of one process so far, user and system, all its threads. Raises OSError if it is gone."""
    # The command's name may hold spaces and parentheses; what follows the last one is fixed (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK_HZ


@dataclass(frozen=True, slots=True)
class MachineCpu:
    """CPU time of the whole machine since it booted, in ticks. `busy`: neither idle nor waiting for disks."""

    busy: int
    total: int

    @classmethod
    def now(cls) -> MachineCpu:
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return cls(sum(fields) - fields[3] - fields[4], sum(fields))

    def busy_pct(self, until: MachineCpu) -> float:
        """Share of all cores in use from here to `until`: figures of a busy machine are worth less."""
        return round(100 * (until.busy - self.busy) / max(1, until.total - self.total), 1)

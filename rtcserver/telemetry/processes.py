"""CPU time and memory of the server's processes, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """user_s, system_s: CPU seconds since it began. resident_bytes: memory in RAM, shared pages included."""

    user_s: float
    system_s: float
    resident_bytes: int


def usage(pid: int) -> ProcessUsage | None:
    """What a process has used, or None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses (proc_pid_stat(5)).
    fields = text.rpartition(")")[2].split()
    return ProcessUsage(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS, int(fields[21]) * _PAGE)


def descriptors(pid: int) -> int | None:
    """How many file descriptors a process has open, or None if it is gone, or somebody else's."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None

"""What a server holds on to: memory, descriptors and threads by process, read from /proc, and how fast that grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROLES = ("instrument", "broadcast", "midiport", "monitor")
"""Packages whose ``process`` module is run as a child; everything else in the tree is the server itself."""


@dataclass(frozen=True, slots=True)
class Use:
    """Of one process, or several. pss_kb: proportional set size: what is private, and a fair share of what is shared.

    heap_kb: the part of it that no file backs (Pss_Anon, Pss_Shmem): what grows in a leak. The rest is code and data of
    files, whose share falls and rises as other programs on the machine map the same files.
    """

    pss_kb: int = 0
    heap_kb: int = 0
    descriptors: int = 0
    threads: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(
            self.pss_kb + other.pss_kb,
            self.heap_kb + other.heap_kb,
            self.descriptors + other.descriptors,
            self.threads + other.threads,
        )


def use_of(pid: int) -> Use | None:
    """What a process holds now; None if it has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        memory = _numbers(folder / "smaps_rollup")
        status = _numbers(folder / "status")
        descriptors = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    if "Pss" not in memory:  # a zombie has none
        return None
    return Use(
        memory["Pss"], memory.get("Pss_Anon", 0) + memory.get("Pss_Shmem", 0), descriptors, status["Threads"]
    )


def role_of(pid: int) -> str | None:
    """``server``, or which of its children a process is; None if it has ended."""
    try:
        # A forked child has written its own name over its parent's, with spaces between the words.
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
    except OSError:
        return None
    return next((role for role in ROLES if f"rtcserver.{role}.process" in words), "server")


def footprint(pids: Iterable[int]) -> dict[str, Use]:
    """What these processes hold, by role."""
    found: dict[str, Use] = {}
    for pid in pids:
        role, use = role_of(pid), use_of(pid)
        if role is not None and use is not None:
            found[role] = found.get(role, Use()) + use
    return found


def total(uses: Mapping[str, Use]) -> Use:
    """Of all roles."""
    return sum(uses.values(), Use())


def pooled_slope(points: Iterable[tuple[Hashable, float, float]]) -> float | None:
    """The slope of a straight line through ``(era, x, y)`` by least squares, each era with a height of its own. Pure.

    A process that is replaced begins anew with less memory: that ends an era, and the step between two eras has no part
    in the slope. None if no era has two different x.
    """
    eras: dict[Hashable, list[tuple[float, float]]] = defaultdict(list)
    for era, x, y in points:
        eras[era].append((x, y))
    above = below = 0.0
    for era_points in eras.values():
        mean_x = sum(x for x, _ in era_points) / len(era_points)
        mean_y = sum(y for _, y in era_points) / len(era_points)
        above += sum((x - mean_x) * (y - mean_y) for x, y in era_points)
        below += sum((x - mean_x) ** 2 for x, _ in era_points)
    return above / below if below else None


def _numbers(file: Path) -> dict[str, int]:
    """The lines ``Name:   number`` of a /proc file."""
    found: dict[str, int] = {}
    for line in file.read_text().splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and words and words[0].isdigit():
            found[name] = int(words[0])
    return found

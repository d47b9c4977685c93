"""What a person sees of a load run: a line while it goes, sentences at its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from rtcserver.clock import NS, monotonic_ns
from rtcserver.load.report import Joins, Window
from rtcserver.load.worker import FleetProgress

_RATE_NS = NS // 2
"""Time over which the packets a second are taken."""


@contextmanager
def listeners_bar(listeners: int) -> Iterator[Callable[[FleetProgress], None] | None]:
    """A line on a terminal that shows who listens and how much comes in; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(
        TextColumn("[bold]listeners"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[packets]:>9,.0f} packets/s  {task.fields[failed]} failed"),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=listeners, packets=0.0, failed=0)
        last_ns, last_packets = monotonic_ns(), 0

        def show(status: FleetProgress) -> None:
            nonlocal last_ns, last_packets
            progress.update(task, completed=status.listening, failed=status.failed)
            elapsed_ns = monotonic_ns() - last_ns
            if elapsed_ns >= _RATE_NS:
                rate = max(0, status.packets - last_packets) * NS / elapsed_ns
                last_ns, last_packets = last_ns + elapsed_ns, status.packets
                progress.update(task, packets=rate)

        yield show


def to_text(joins: Joins, window: Window) -> str:
    """The run in sentences."""
    said = joins.figures()
    lines = ["nobody could join"]
    if joins.joined:
        lines = [
            f"{joins.joined} joined at {said['joins_per_s']}/s, "
            f"each within {said['join_p50_ms']} ms (median), {said['join_p99_ms']} ms (p99)"
        ]
    lines += [f"{count} did not join: {reason}" for reason, count in joins.failures.most_common(5)]
    if joins.joined:
        lines += [
            f"{window.received} of {window.expected} packets in {window.seconds:.1f} s, {window.gaps} gaps; "
            f"the least any listener got: {max(0, window.least)} ({100 * window.least_share:.2f} %)",
            f"{window.verified} packets decrypted, {window.unverified} of them not authentic",
        ]
    if window.overflows:
        lines.append(f"{window.overflows} packets were lost in the load generator's own sockets")
    return "\n".join(lines)

"""What ``python -m rtcserver load`` does: the live display, the report, the exit code."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from rtcserver.client.whep import ListenError
from rtcserver.load.fleet import Fleet, LoadError
from rtcserver.load.report import Joins, Window
from rtcserver.load.signaling import address_of
from rtcserver.load.worker import Options
from rtcserver.load.worker import Progress as Status

ALL_WELL, LOST, NOBODY = 0, 1, 2
"""Exit codes: all joined and nothing was lost; joins failed or packets are missing; nobody could join."""
LISTENERS_PER_WORKER = 1000


def run(args: argparse.Namespace) -> int:
    """Join, count, print, return the exit code."""
    options = Options(args.url, datachannel=args.datachannel, studio=args.mode == "studio")
    processes = args.processes or -(-args.listeners // LISTENERS_PER_WORKER)
    try:
        address_of(args.url)
        with ExitStack() as stack:
            on_progress = _display(stack, args.listeners) if sys.stderr.isatty() else None
            fleet = stack.enter_context(Fleet(options, workers=processes, on_progress=on_progress))
            joins = fleet.join(args.listeners, per_second=args.ramp)
            window = fleet.measure(args.seconds) if joins.joined else Window()
    except (ListenError, LoadError) as error:
        print(f"rtcserver load: {error}", file=sys.stderr)
        return NOBODY
    if args.json:
        print(
            json.dumps({"mode": args.mode, "asked": args.listeners, **joins.figures(), **window.figures()}),
            flush=True,
        )
    else:
        _print(joins, window)
    if not joins.joined:
        return NOBODY
    well = not joins.failures and window.received >= window.expected and not window.unverified
    return ALL_WELL if well else LOST


def _display(stack: ExitStack, listeners: int) -> Callable[[Status], None]:
    """A line that shows who listens and how much comes in."""
    progress = stack.enter_context(
        Progress(
            TextColumn("[bold]listeners"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[packets]:>9,.0f} packets/s  {task.fields[failed]} failed"),
            console=Console(stderr=True),
            transient=True,
        )
    )
    task = progress.add_task("", total=listeners, packets=0.0, failed=0)
    last = [time.monotonic(), 0.0]

    def show(status: Status) -> None:
        now = time.monotonic()
        if now - last[0] < 0.5:
            progress.update(task, completed=status.listening, failed=status.failed)
            return
        rate = max(0.0, status.packets - last[1]) / (now - last[0])
        last[:] = now, float(status.packets)
        progress.update(task, completed=status.listening, failed=status.failed, packets=rate)

    return show


def _print(joins: Joins, window: Window) -> None:
    said = joins.figures()
    if joins.joined:
        print(
            f"{joins.joined} joined at {said['joins_per_s']}/s, "
            f"each within {said['join_p50_ms']} ms (median), {said['join_p99_ms']} ms (p99)"
        )
    else:
        print("nobody could join")
    for reason, count in joins.failures.most_common(5):
        print(f"{count} did not join: {reason}")
    if not joins.joined:
        return
    print(
        f"{window.received} of {window.expected} packets in {window.seconds:.1f} s, {window.gaps} gaps; "
        f"the least any listener got: {max(0, window.least)} ({100 * window.least_share:.2f} %)"
    )
    print(f"{window.verified} packets decrypted, {window.unverified} of them not authentic")
    if window.overflows:
        print(f"{window.overflows} packets were lost in the load generator's own sockets")

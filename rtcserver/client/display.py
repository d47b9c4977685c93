"""What a person sees on a terminal while a client listens or plays: bars on standard error, events on output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rtcserver.client.midi import MidiEvent


@contextmanager
def listening_bar(seconds: float) -> Iterator[Callable[[float], None] | None]:
    """A bar to tell how many of the seconds have been heard; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(
        TextColumn("listening"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("listening", total=seconds)
        yield lambda heard: progress.update(task, completed=heard)


@contextmanager
def playing_bar() -> Iterator[Callable[[str, float, float], None]]:
    """A bar to tell a song's name, its position and its duration in seconds; mute without a terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("", total=0.0)
        yield lambda name, position_s, duration_s: progress.update(
            task, description=name, completed=position_s, total=duration_s
        )


def print_event(event: MidiEvent) -> None:
    """A line for a MIDI event, as it arrives."""
    age = "" if event.age_ms is None else f", {event.age_ms:.1f} ms old"
    mark = ", repaired" if event.repaired else ""
    print(f"{event.media_time} performer {event.performer}: {event.to_text()}{age}{mark}", flush=True)

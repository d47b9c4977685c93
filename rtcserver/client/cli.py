"""``python -m rtcserver client URL``: the arguments, the progress bar, the exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import wave
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rtcserver.client.listener import listen
from rtcserver.client.measure import RATE, Samples
from rtcserver.client.whep import ListenError

HEARD, NOTHING, NO_CONNECTION = 0, 1, 2
"""Exit codes: sound; silence or no packets; no connection (or nowhere to record to)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``client`` command."""
    parser.add_argument("url", metavar="URL", help="a room's page (http://host:8080/r/main) or WHEP endpoint")
    parser.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="N", help="media time to listen to (default 10)"
    )
    parser.add_argument("--record", type=Path, metavar="OUT.WAV", help="write what is heard")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")


def run(args: argparse.Namespace) -> int:
    """Listen, print, return the exit code."""
    try:
        recorder = _Recorder(args.record) if args.record else None
    except OSError as error:
        print(f"rtcserver client: cannot record to {args.record}: {error}", file=sys.stderr)
        return NO_CONNECTION
    try:
        with ExitStack() as stack:
            on_audio = stack.enter_context(recorder).write if recorder else None
            on_progress = _progress_bar(stack, args.seconds) if sys.stderr.isatty() else None
            report = asyncio.run(
                listen(
                    args.url,
                    args.seconds,
                    on_audio=on_audio,
                    on_progress=on_progress,
                    insecure=args.insecure,
                )
            )
    except ListenError as error:
        print(f"rtcserver client: {error}", file=sys.stderr)
        return NO_CONNECTION
    except KeyboardInterrupt:
        return 130
    print(json.dumps(report.to_json()) if args.json else report.to_text())
    if not report.heard:
        print("rtcserver client: nothing is heard", file=sys.stderr)
        return NOTHING
    return HEARD


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not in 0.1–86400")
    return value


def _progress_bar(stack: ExitStack, seconds: float) -> Callable[[float], None]:
    progress = stack.enter_context(
        Progress(
            TextColumn("listening"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
    )
    task = progress.add_task("listening", total=seconds)
    return lambda heard: progress.update(task, completed=heard)


class _Recorder:
    """A WAV file that grows while it is listened."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("wb")
        self._file = wave.open(self._raw, "wb")  # noqa: SIM115  # closed by __exit__
        self._file.setnchannels(2)
        self._file.setsampwidth(2)
        self._file.setframerate(RATE)

    def __enter__(self) -> _Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._raw.close()

    def write(self, samples: Samples) -> None:
        self._file.writeframes(samples.astype("<i2").tobytes())

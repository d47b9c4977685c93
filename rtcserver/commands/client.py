"""``python -m rtcserver client URL``: the arguments, the progress bar, the exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urldefrag

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rtcserver.client.listener import listen
from rtcserver.client.midi import MidiClient, MidiEvent, token_of
from rtcserver.client.phrase import Step, parse_phrase
from rtcserver.client.record import Recorder
from rtcserver.client.report import Report
from rtcserver.client.studio import StudioSummary, listen_studio
from rtcserver.client.whep import ListenError

HEARD, NOTHING, NO_CONNECTION = 0, 1, 2
"""Exit codes: sound; silence or no packets; no connection (or nowhere to record to)."""
_AROUND_PHRASE_S = 3.0
"""Media time around a phrase: to be let in before it, and to hear its end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``client`` command."""
    parser.add_argument("url", metavar="URL", help="a room's page (http://host:8080/r/main) or WHEP endpoint")
    parser.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="N", help="media time to listen to (default 10)"
    )
    parser.add_argument(
        "--mode",
        choices=("listen", "studio"),
        default="listen",
        help="listen: Opus (default); studio: the instrument's samples, as they are",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="OUT.WAV",
        help="write what is heard; in Studio the exact samples, in their own rate and bits",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    parser.add_argument("--midi", action="store_true", help="print what is played, against the audio's clock")
    parser.add_argument(
        "--send",
        type=_phrase,
        metavar="PHRASE",
        help='play "C4 E4 G4" or "C4+E4+G4:800:110 -:200 C5" (needs a performer link)',
    )
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")


def run(args: argparse.Namespace) -> int:
    """Listen, print, return the exit code."""
    try:
        recorder = Recorder(args.record) if args.record else None
    except OSError as error:
        print(f"rtcserver client: cannot record to {args.record}: {error}", file=sys.stderr)
        return NO_CONNECTION
    try:
        with ExitStack() as stack:
            if recorder is not None:
                stack.enter_context(recorder)
            on_progress = _progress_bar(stack, args.seconds) if sys.stderr.isatty() else None
            report, midi = asyncio.run(_listen(args, recorder, on_progress))
    except ListenError as error:
        print(f"rtcserver client: {error}", file=sys.stderr)
        return NO_CONNECTION
    except KeyboardInterrupt:
        return 130
    if recorder is not None and recorder.full:
        print(f"rtcserver client: {args.record} is full: a WAV file ends at 4 GiB", file=sys.stderr)
    if args.json:
        print(
            json.dumps(
                {"mode": args.mode, **report.to_json(), **({} if midi is None else {"midi": midi.to_json()})}
            )
        )
    else:
        print(report.to_text())
        if midi is not None:
            print(_midi_text(midi))
    if not report.heard:
        print("rtcserver client: nothing is heard", file=sys.stderr)
        return NOTHING
    return HEARD


async def _listen(
    args: argparse.Namespace,
    recorder: Recorder | None,
    on_progress: Callable[[float], None] | None,
) -> tuple[Report | StudioSummary, MidiClient | None]:
    """Listen, and play the phrase meanwhile; at least as long as it takes."""
    steps: list[Step] = args.send or []
    seconds = max(args.seconds, sum(step.ms for step in steps) / 1000 + _AROUND_PHRASE_S if steps else 0.0)
    midi = playing = None
    if args.midi or steps:
        token = token_of(args.url)
        if steps and not token:
            raise ListenError("--send needs a performer link, as the server prints it: …#perform=TOKEN")
        midi = MidiClient(token=token, on_event=None if args.json else _print_event)
        if steps:
            playing = asyncio.ensure_future(midi.play(steps))
    try:
        # Without the fragment: a report is no place for a token.
        url = urldefrag(args.url).url
        report: Report | StudioSummary
        if args.mode == "studio":
            report = await listen_studio(
                url,
                seconds,
                on_pcm=recorder.write_pcm if recorder else None,
                on_progress=on_progress,
                insecure=args.insecure,
                midi=midi,
            )
        else:
            report = await listen(
                url,
                seconds,
                on_audio=recorder.write if recorder else None,
                on_progress=on_progress,
                insecure=args.insecure,
                channels=midi,
            )
        if playing is not None and playing.done():
            playing.result()
        return report, midi
    finally:
        if playing is not None:
            playing.cancel()
            await asyncio.wait([playing], timeout=1)


def _print_event(event: MidiEvent) -> None:
    """A line, as it arrives."""
    age = "" if event.age_ms is None else f", {event.age_ms:.1f} ms old"
    mark = ", repaired" if event.repaired else ""
    print(f"{event.media_time} performer {event.performer}: {event.to_text()}{age}{mark}", flush=True)


def _midi_text(midi: MidiClient) -> str:
    said = midi.to_json()
    skew = (
        ""
        if said["skew_p50_ms"] is None
        else (
            f"; they arrived {said['skew_p50_ms']:+.1f} ms (median) and {said['skew_p95_ms']:+.1f} ms (p95) "
            "against the audio of their moments"
        )
    )
    lines = [
        f"MIDI: {said['role']}, {said['events']} events, {said['repaired']} repaired, "
        f"{said['missed']} missed{skew}"
    ]
    lines += [f"MIDI: refused: {error}" for error in midi.errors]
    return "\n".join(lines)


def _phrase(text: str) -> list[Step]:
    try:
        return parse_phrase(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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

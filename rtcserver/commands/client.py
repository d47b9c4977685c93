"""``rtcserver client``: listen without a browser and measure."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from rtcserver.client.display import listening_bar, print_event
from rtcserver.client.phrase import Step, parse_phrase
from rtcserver.client.record import Recorder
from rtcserver.client.session import CODEC_NAMES, Run, perform
from rtcserver.client.whep import ListenError
from rtcserver.network.control import NetworkPath, RelayError
from rtcserver.network.presets import PRESETS

HEARD, NOTHING, NO_CONNECTION = 0, 1, 2
"""Exit codes: sound; silence or no packets; no connection (or nowhere to record to)."""


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
        "--quality",
        choices=("exact", "light"),
        default="exact",
        help="of Studio: exact, the samples as they are (default); light, Opus in short packets, decoded here",
    )
    parser.add_argument(
        "--codec",
        choices=CODEC_NAMES,
        default=CODEC_NAMES[0],
        help=f"the one to ask for: {', '.join(CODEC_NAMES)} (default {CODEC_NAMES[0]}); --mode listen only",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="OUT.WAV",
        help="write what is heard; of Studio's exact samples those, in their own rate and bits",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    parser.add_argument("--midi", action="store_true", help="print what is played, against the audio's clock")
    parser.add_argument(
        "--send",
        type=_phrase,
        metavar="PHRASE",
        help='play "C4 E4 G4" or "C4+E4+G4:800:110 -:200 C5" (needs a performer link)',
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=10.0,
        metavar="N",
        help="while the server is full or busy, come again when it says so, for N seconds at most (default 10)",
    )
    parser.add_argument(
        "--stay",
        action="store_true",
        help="come back whenever the sound is gone; --seconds are then by the clock",
    )
    parser.add_argument(
        "--network",
        choices=tuple(PRESETS),
        metavar="NAME",
        help=f"listen through a bad network, made here: {', '.join(PRESETS)} (docs/networks.md)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of the network's accidents: the same number, the same losses (default 1)",
    )
    parser.add_argument("--tcp", action="store_true", help="media by TCP (ICE-TCP) instead of UDP")
    parser.add_argument(
        "--repair",
        choices=("red", "nack", "none"),
        default="red",
        help="what is offered against lost packets: red, earlier frames in each packet, and nack (default, as Chromium); "
        "nack, to be sent again what is asked for (as Firefox); or none",
    )
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Listen and print."""
    if args.stay and (args.send or args.mode == "studio"):
        print("rtcserver client: --stay goes with neither --send nor --mode studio", file=sys.stderr)
        return NO_CONNECTION
    if args.codec != CODEC_NAMES[0] and args.mode == "studio":
        print("rtcserver client: --codec is that of --mode listen", file=sys.stderr)
        return NO_CONNECTION
    if args.quality == "light" and args.mode != "studio":
        print("rtcserver client: --quality is that of --mode studio", file=sys.stderr)
        return NO_CONNECTION
    if args.seed is not None and args.network is None:
        print("rtcserver client: --seed is that of a --network", file=sys.stderr)
        return NO_CONNECTION
    seed = 1 if args.seed is None else args.seed
    # aiortc knows no TCP of its own: what the network leaves is chosen here.
    tcp = args.tcp or args.network == "tcp-only"
    network = None
    if args.tcp and args.network not in (None, "tcp-only"):
        print(
            "rtcserver client: --tcp goes with no --network but tcp-only: the others are of UDP",
            file=sys.stderr,
        )
        return NO_CONNECTION
    if args.network is not None and not tcp:
        network = NetworkPath(args.network, seed=seed, prefer=_host_of(args.url))
    what = Run(
        args.url,
        args.seconds,
        args.mode == "studio",
        args.midi,
        tuple(args.send or ()),
        args.insecure,
        args.wait,
        args.stay,
        network,
        args.codec,
        tcp,
        args.repair,
        args.quality,
    )
    on_event = None if args.json else print_event
    try:
        recorder = Recorder(args.record) if args.record else None
    except OSError as error:
        print(f"rtcserver client: cannot record to {args.record}: {error}", file=sys.stderr)
        return NO_CONNECTION
    try:
        with ExitStack() as stack:
            if network is not None:
                stack.enter_context(network)
            if recorder is not None:
                stack.enter_context(recorder)
            on_progress = stack.enter_context(listening_bar(args.seconds))
            report, midi = asyncio.run(
                perform(what, recorder=recorder, on_progress=on_progress, on_event=on_event)
            )
            up, down = (None, None) if network is None else network.counters()
    except (ListenError, RelayError) as error:
        print(f"rtcserver client: {error}", file=sys.stderr)
        return NO_CONNECTION
    if recorder is not None and recorder.full:
        print(f"rtcserver client: {args.record} is full: a WAV file ends at 4 GiB", file=sys.stderr)
    if args.json:
        played = {} if midi is None else {"midi": midi.to_json()}
        through = {}
        if up is not None and down is not None:
            through = {
                "network": {"name": args.network, "seed": seed, "up": asdict(up), "down": asdict(down)}
            }
        quality = {"quality": args.quality} if args.mode == "studio" else {}
        print(json.dumps({"mode": args.mode, **quality, **report.to_json(), **played, **through}))
    else:
        print(report.to_text())
        if midi is not None:
            print(midi.to_text())
        if down is not None:
            missing = down.lost + down.queue_full
            print(
                f"{args.network}: {missing} of {down.received} datagrams from the server did not come through"
            )
    if not report.heard:
        print("rtcserver client: nothing is heard", file=sys.stderr)
        return NOTHING
    return HEARD


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


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

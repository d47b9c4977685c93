"""``rtcserver load``: many listeners that count packets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

from rtcserver.client.whep import ListenError
from rtcserver.load.display import listeners_bar, to_text
from rtcserver.load.fleet import Fleet, LoadError
from rtcserver.load.report import Window
from rtcserver.load.signaling import address_of
from rtcserver.load.worker import Options

ALL_WELL, LOST, NOBODY = 0, 1, 2
"""Exit codes: all joined and nothing was lost; joins failed or packets are missing; nobody could join."""
LISTENERS_PER_WORKER = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``load`` command."""
    parser.add_argument("url", metavar="URL", help="a room's page (http://host:8080/r/main) or WHEP endpoint")
    parser.add_argument(
        "--listeners", type=_positive, default=100, metavar="N", help="how many listen (default 100)"
    )
    parser.add_argument(
        "--ramp",
        type=float,
        default=0.0,
        metavar="R",
        help="joins a second; 0: as fast as possible (default)",
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="to count packets for, once all have joined"
    )
    parser.add_argument(
        "--mode", choices=("listen", "studio"), default="listen", help="studio: PCM in place of Opus"
    )
    parser.add_argument("--datachannel", action="store_true", help="each listener opens a data channel too")
    parser.add_argument("--processes", type=int, default=0, metavar="P", help="0: one per 1000 listeners")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Join, count, print."""
    options = Options(
        args.url, datachannel=args.datachannel, studio=args.mode == "studio", insecure=args.insecure
    )
    processes = args.processes or -(-args.listeners // LISTENERS_PER_WORKER)
    try:
        address_of(args.url)
        with (
            listeners_bar(args.listeners) as on_progress,
            Fleet(options, workers=processes, on_progress=on_progress) as fleet,
        ):
            joins = fleet.join(args.listeners, per_second=args.ramp)
            window = fleet.measure(args.seconds) if joins.joined else Window()
    except (ListenError, LoadError) as error:
        print(f"rtcserver load: {error}", file=sys.stderr)
        return NOBODY
    if args.json:
        figures = {"mode": args.mode, "asked": args.listeners, **joins.figures(), **window.figures()}
        print(json.dumps(figures), flush=True)
    else:
        print(to_text(joins, window))
    if not joins.joined:
        return NOBODY
    well = not joins.failures and window.received >= window.expected and not window.unverified
    return ALL_WELL if well else LOST


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number

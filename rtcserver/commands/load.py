"""``python -m rtcserver load URL``: the arguments, light, as each start builds all parsers."""

from __future__ import annotations

import argparse


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


def run(args: argparse.Namespace) -> int:
    """Join, count, print, return the exit code; see `rtcserver.load.command`."""
    from rtcserver.load import command

    return command.run(args)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number

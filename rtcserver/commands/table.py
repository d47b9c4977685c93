"""The subcommands and their modules, of which a run imports the one that it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

from rtcserver import __version__
from rtcserver.children.apart import apart
from rtcserver.errors import RtcServerError

if TYPE_CHECKING:
    import argparse

COMMANDS: Mapping[str, str] = {
    "serve": "run the server",
    "devices": "list what can be captured",
    "check": "play one quiet note and say whether it is heard",
    "client": "listen without a browser and measure",
    "play": "play a MIDI file on a room's instrument",
    "token": "make, list and revoke tokens; hash a password",
    "link": "print a configuration's links",
    "load": "many listeners that count packets",
}
"""Each subcommand with its line of help; its module has the same name."""
MENDABLE, INTERRUPTED, CLOSED = 2, 130, 141
"""Exit codes: what the user can mend, said in one sentence; Ctrl-C; nobody reads the output any more (as SIGPIPE)."""


class Command(Protocol):
    """What the module of a subcommand offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its arguments."""

    def run(self, args: argparse.Namespace, environ: Mapping[str, str]) -> int:
        """Do it; returns the exit code. Raises RtcServerError for what the user can mend."""


def command(name: str) -> Command:
    """The module of a subcommand, imported now."""
    return cast(Command, import_module(f"rtcserver.commands.{name}"))


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser with all subcommands; only the chosen one has its arguments."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="rtcserver", description="A WebRTC media server that streams a live instrument to browsers."
    )
    parser.add_argument("--version", action="version", version=f"rtcserver {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        subparser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == chosen:
            command(name).add_arguments(subparser)
    return parser


def _meant(word: str, name: str) -> str:
    """The flag of a subcommand that `word` is most likely a slip of, as the end of a message; "" if there is none."""
    import argparse

    from rtcserver.config.written import nearest

    parser = argparse.ArgumentParser(add_help=False)
    command(name).add_arguments(parser)
    flags = {action.dest: action.option_strings for action in parser._actions if action.option_strings}
    meant = nearest(word.partition("=")[0].lstrip("-"), tuple(flags)) if word.startswith("--") else ""
    return f"; did you mean {flags[meant][0]}?" if meant else ""


def _parsed(words: Sequence[str], chosen: str | None) -> dict[str, Any]:
    """The arguments by their names. Ends the program where they are wrong, or ask for help."""
    parser = build_parser(chosen)
    args, strange = parser.parse_known_args(words)
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}{_meant(strange[0], args.command)}")
    return vars(args)


def main(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the subcommand that `words` name and return its exit code."""
    # Flags of the program itself take no value: the first other word is the subcommand.
    chosen = next((word for word in words if not word.startswith("-")), None)
    # A server runs for months, and its parser with all its texts takes 4 MB.
    found = apart(_parsed, words, chosen) if chosen == "serve" else _parsed(words, chosen)
    args = cast("argparse.Namespace", SimpleNamespace(**found))
    try:
        code = command(args.command).run(args, environ)
        sys.stdout.flush()
        return code
    except RtcServerError as error:
        print(f"rtcserver: {error}", file=sys.stderr)
        return MENDABLE
    except BrokenPipeError:
        # Who reads the output (`| head`) has had enough. What is left in the buffer goes nowhere, without a complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED

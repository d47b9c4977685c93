"""``python -m rtcserver COMMAND``: the command line; the only place that reads the environment."""

from __future__ import annotations

import argparse
import os
import sys

from rtcserver import __version__
from rtcserver.errors import RtcServerError


def build_parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    from rtcserver.client import play
    from rtcserver.commands import client as client_cli
    from rtcserver.commands import devices as devices_cli
    from rtcserver.commands import flags as cli_config
    from rtcserver.commands import load as load_cli
    from rtcserver.midiport import check

    parser = argparse.ArgumentParser(
        prog="rtcserver", description="A WebRTC media server that streams a live instrument to browsers."
    )
    parser.add_argument("--version", action="version", version=f"rtcserver {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cli_config.add_arguments(commands.add_parser("serve", help="run the server"))
    devices_cli.add_arguments(commands.add_parser("devices", help="list what can be captured"))
    check_parser = commands.add_parser("check", help="play one quiet note and say whether it is heard")
    cli_config.add_arguments(check_parser)
    check.add_arguments(check_parser)
    client_cli.add_arguments(commands.add_parser("client", help="listen without a browser and measure"))
    play.add_arguments(commands.add_parser("play", help="play a MIDI file on a room's instrument"))
    load_cli.add_arguments(commands.add_parser("load", help="many listeners that count packets"))
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code; 2 for what the user can mend, in one message."""
    args = build_parser().parse_args(argv)
    try:
        if args.command == "serve":
            from rtcserver.commands import flags as cli_config
            from rtcserver.server import serve

            return serve.run(cli_config.configuration(args, os.environ))
        if args.command == "check":
            from rtcserver.commands import flags as cli_config
            from rtcserver.midiport import check

            return check.run(cli_config.configuration(args, os.environ), args)
        if args.command == "devices":
            from rtcserver.commands import devices as devices_cli

            return devices_cli.run(args)
        if args.command == "play":
            from rtcserver.client import play

            return play.run(args)
        if args.command == "load":
            from rtcserver.commands import load as load_cli

            return load_cli.run(args)
        from rtcserver.commands import client as client_cli

        return client_cli.run(args)
    except RtcServerError as error:
        print(f"rtcserver: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

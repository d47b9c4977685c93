"""``rtcserver link``: the links of a configuration, as the server would print them at its start."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from rtcserver.config.flags import add_server_flags, configuration
from rtcserver.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that the server was started with."""
    parser.add_argument(
        "--qr",
        choices=("listen", "perform", "none"),
        default="listen",
        help="which link is shown as a QR code, on a terminal only: the listeners' (default), the performers', which is a "
        "secret, or none",
    )
    add_server_flags(parser)


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print a listener's and a performer's link for each room. Raises ConfigError."""
    from rtcserver.clock import NS, wall_ns
    from rtcserver.server import qr
    from rtcserver.server.links import from_elsewhere, listen_link, perform_link
    from rtcserver.server.tokens import TokenStore

    config = configuration(args, environ)
    if not config.state_dir:
        raise ConfigError("there is no folder that both this and the server know; set state_dir")
    store = TokenStore(config.state_dir)
    for name, room in config.rooms.items():
        page = listen_link(config, name, config.port)
        print(f"Listen at  {page}")
        shown = page if args.qr == "listen" else ""
        if room.instrument.midi != "off":
            secret = perform_link(store, page, name, int(wall_ns() / NS))
            print(f"Play at    {secret}")
            shown = secret if args.qr == "perform" else shown
        if shown and qr.terminal() and (link := qr.from_a_phone(shown)) and (code := qr.code(link)):
            print(code)
            print(f"From a phone  {link}")
    if elsewhere := from_elsewhere(config, config.port):
        print(elsewhere)
    return 0

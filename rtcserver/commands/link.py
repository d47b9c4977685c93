"""``rtcserver link``: the links of a configuration, as the server would print them at its start."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from rtcserver.config.flags import add_server_flags, configuration
from rtcserver.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that the server was started with."""
    add_server_flags(parser)


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print a listener's and a performer's link for each room. Raises ConfigError."""
    from rtcserver.clock import NS, wall_ns
    from rtcserver.server.links import from_elsewhere, listen_link, perform_link
    from rtcserver.server.tokens import TokenStore

    config = configuration(args, environ)
    if not config.state_dir:
        raise ConfigError("there is no folder that both this and the server know; set state_dir")
    store = TokenStore(config.state_dir)
    for name, room in config.rooms.items():
        page = listen_link(config, name, config.port)
        print(f"Listen at  {page}")
        if room.instrument.midi != "off":
            print(f"Play at    {perform_link(store, page, name, int(wall_ns() / NS))}")
    if elsewhere := from_elsewhere(config, config.port):
        print(elsewhere)
    return 0

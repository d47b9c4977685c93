"""``rtcserver serve``: run the server."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from rtcserver.config.flags import add_server_flags, rereading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for each key of the configuration."""
    add_server_flags(parser)


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until told to stop. Raises ConfigError before anything is served."""
    from rtcserver.server import serve

    serve.run(rereading(args, environ))
    return 0

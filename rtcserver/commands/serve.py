"""``rtcserver serve``: run the server."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Mapping

from rtcserver.config.flags import add_server_flags, rereading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for each key of the configuration."""
    add_server_flags(parser)


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until told to stop. Raises ConfigError before anything is served."""
    # What is imported is never garbage: to look for some on the way takes a tenth of the time until the first sound.
    gc.disable()
    try:
        from rtcserver.server import serve
    finally:
        gc.freeze()
        gc.enable()
    serve.run(rereading(args, environ))
    return 0

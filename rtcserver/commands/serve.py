"""``rtcserver serve``: run the server."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rtcserver.children.apart import apart
from rtcserver.children.bare import without_docstrings
from rtcserver.heap import let_code_go, trim
from rtcserver.server.lean import import_lean

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for each key of the configuration."""
    from rtcserver.config.flags import add_server_flags

    add_server_flags(parser)


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until told to stop. Raises ConfigError before anything is served."""
    # What is imported is never garbage: to look for some on the way takes a tenth of the time until the first sound.
    gc.disable()
    from rtcserver.config.flags import configuration, rereading

    try:
        read = rereading(args, environ, lambda *known, **more: apart(configuration, *known, **more))
        config = read()
        with without_docstrings():
            import_lean(config)
            from rtcserver.server import serve

        let_code_go()
        trim()
    finally:
        gc.freeze()
        gc.enable()
    serve.run(config, read)
    return 0

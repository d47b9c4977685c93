"""``rtcserver serve``: run the server."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Mapping

from rtcserver.children import forking
from rtcserver.children.apart import apart
from rtcserver.heap import trim
from rtcserver.server.lean import import_lean

FORKED = (
    "rtcserver.broadcast.process",
    "rtcserver.instrument.process",
    "rtcserver.midiport.process",
    "rtcserver.monitor.process",
    "opuslib.api.ctl",
    "opuslib.api.encoder",
    "rtcserver.capture.fluid",
    "rtcserver.capture.portaudio",
    "rtcserver.capture.tone",
    "samplerate",
)
"""What children of the server run, and what all or most of them load. Nothing here opens a device or has a thread; what
does when it is loaded (PortAudio, FluidSynth, rtmidi) is not imported by these modules before it is needed."""


def prepare() -> None:
    """Have the fork server before this process imports what only it needs: what both have imported is shared."""
    # BLAS is not used; its threads would only cost memory, and there must be none before the fork.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    forking.start(FORKED)


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
        import_lean(config)
        from rtcserver.server import serve

        trim()
    finally:
        gc.freeze()
        gc.enable()
    serve.run(config, read)
    return 0

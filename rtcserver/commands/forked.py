"""What the program does before all else if it is to be a server: it forks the process from which children are forked.

It imports nothing that children do not need: whatever the server imports later is not in their memory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from rtcserver.children import fork_server
from rtcserver.server.placeholders import import_without

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

TEXTS = ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")
"""What gives docstrings to what NumPy has in C."""


def prepare(words: Sequence[str]) -> None:
    """Fork it if the program's words are those of a server, and they are not about its flags."""
    # Flags of the program itself take no value: the first other word is the subcommand.
    chosen = next((word for word in words if not word.startswith("-")), None)
    if chosen == "serve" and not {"-h", "--help"} & set(words):
        # BLAS is not used; its threads would only cost memory, and there must be none before the fork.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        import_without("numpy", TEXTS)
        # With it annotated-types would describe what nobody asks it for.
        import_without("annotated_types", ("typing_extensions",))
        fork_server.begin(FORKED)

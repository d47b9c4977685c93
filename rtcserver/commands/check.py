"""``rtcserver check``: one quiet note on each room's instrument, and whether it comes back as sound."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping

from rtcserver.config.flags import add_flags, configuration
from rtcserver.errors import ConfigError
from rtcserver.instrument import plugins
from rtcserver.midiport.check import check
from rtcserver.midiport.profile import profile_of
from rtcserver.midiport.verdict import to_text

ALL_HEARD, NOT_HEARD = 0, 1
INSTRUMENT_FLAGS = (
    "instrument",
    "options",
    "device",
    "channels",
    "mix",
    "samplerate",
    "blocksize",
    "sample_format",
    "soundfont",
    "gain",
    "midi_profile",
    "midi_output",
    "midi_input",
    "midi_api",
)
"""The keys of the configuration that finding, playing and recording an instrument takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The note, and the instrument."""
    parser.add_argument("--key", type=int, default=60, metavar="N", help="note to play, 60 is middle C")
    parser.add_argument("--velocity", type=int, default=40, metavar="N", help="how hard, 1 to 127")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each room")
    add_flags(parser, {"instrument": INSTRUMENT_FLAGS})


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check every room's instrument. Raises ConfigError."""
    if not 0 <= args.key <= 127 or not 1 <= args.velocity <= 127:
        raise ConfigError(f"--key {args.key} --velocity {args.velocity}: allowed are 0 to 127 and 1 to 127")
    code = ALL_HEARD
    rooms = configuration(args, environ).rooms
    for broken in plugins.prepare({name: room.instrument for name, room in rooms.items()}):
        raise ConfigError(broken)
    for name, room in rooms.items():
        profile = profile_of(room.instrument)
        verdict = asyncio.run(check(room.instrument, profile, args.key, args.velocity))
        if not verdict.ok:
            code = NOT_HEARD
        if args.json:
            print(json.dumps({"room": name, **verdict.to_json()}))
        else:
            print(to_text(name, verdict, profile))
    return code

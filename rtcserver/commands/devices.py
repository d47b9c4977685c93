"""``rtcserver devices``: what can be captured, the kinds of instruments, and live levels of each channel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from rtcserver.capture.devices import accepted_rates, list_devices, load_portaudio
from rtcserver.capture.display import print_devices, print_kinds, watch
from rtcserver.capture.kinds import BUILT_IN, installed
from rtcserver.capture.meters import metered
from rtcserver.instrument import plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``devices`` command."""
    parser.add_argument("--meters", metavar="NAME", help="show live levels of every channel of this device")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="end the meters after this time (default: Ctrl-C)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON (with --meters: the levels at the end)"
    )
    parser.add_argument(
        "--kinds",
        action="store_true",
        help="list only the kinds of instruments, installed plug-ins among them",
    )


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """List the devices, or show the meters of one."""
    if args.meters is not None:
        levels = metered(args.meters, args.seconds)
        if args.json:
            *_, last = levels
            print(json.dumps(last.to_json()))
        else:
            watch(levels)
        return 0
    if args.kinds:
        kinds = [*BUILT_IN, *plugins.ask_all(installed())]
        if args.json:
            print(json.dumps([kind.to_json() for kind in kinds]))
        else:
            print_kinds(kinds)
        return 0
    sd = load_portaudio()
    rates = [(device, accepted_rates(sd, device)) for device in list_devices(sd)]
    if args.json:
        print(json.dumps([{**device.to_json(), "rates": accepted} for device, accepted in rates]))
    else:
        print_devices(rates)
        print()
        print_kinds([*BUILT_IN, *plugins.ask_all(installed())])
    return 0

"""``rtcserver devices``: what can be captured, and live levels of each channel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from rtcserver.capture.devices import accepted_rates, list_devices, load_portaudio
from rtcserver.capture.display import print_devices, watch
from rtcserver.capture.meters import metered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``devices`` command."""
    parser.add_argument("--meters", metavar="NAME", help="show live levels of every channel of this device")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="end the meters after this time (default: Ctrl-C)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON (with --meters: the levels at the end)"
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
    sd = load_portaudio()
    rates = [(device, accepted_rates(sd, device)) for device in list_devices(sd)]
    if args.json:
        print(json.dumps([{**device.to_json(), "rates": accepted} for device, accepted in rates]))
    else:
        print_devices(rates)
    return 0

"""``python -m rtcserver devices``: what can be captured, and live levels per channel."""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import numpy.typing as npt
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtcserver.capture.block import to_float
from rtcserver.capture.devices import InputDevice, list_devices, load_portaudio
from rtcserver.capture.portaudio import PortAudioSource
from rtcserver.config.model import InstrumentConfig

COMMON_RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
FLOOR_DBFS = -90.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``devices`` command."""
    parser.add_argument("--meters", metavar="NAME", help="show live levels of every channel of this device")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="end the meters after this time (default: Ctrl-C)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON (with --meters: the levels at the end)"
    )


def run(args: argparse.Namespace) -> int:
    """List the devices or show the meters; returns the exit code. Raises RtcServerError."""
    if args.meters is not None:
        return _meters(args.meters, args.seconds, args.json)
    sd = load_portaudio()
    devices = list_devices(sd)
    rates = {device.index: _rates(sd, device) for device in devices}
    if args.json:
        print(json.dumps([_to_json(device, rates[device.index]) for device in devices]))
        return 0
    if not devices:
        print(
            "PortAudio sees no input device. Is the instrument plugged in and switched on, and may you use "
            "/dev/snd (group audio)? The embedded instrument needs none: --instrument fluidsynth."
        )
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("", "name", "host API", "channels", "rates in Hz"):
        table.add_column(column, no_wrap=True)
    for device in devices:
        # The device's own rate first, marked: it is what samplerate = 0 takes.
        texts = [f"{rate}*" if rate == device.default_rate else str(rate) for rate in rates[device.index]]
        mark = ">" if device.is_default else str(device.index)
        table.add_row(mark if mark != ">" else f"> {device.index}", device.name, device.host_api,
                      str(device.channels), " ".join(texts))  # fmt: skip
    Console().print(table)
    print('* its own rate.  Capture one with:  --instrument portaudio --device "NAME" --channels 1,2')
    return 0


def _rates(sd: object, device: InputDevice) -> list[int]:
    """The rates that the device accepts, its own included, ascending."""
    accepted = {device.default_rate}
    for rate in COMMON_RATES:
        try:
            sd.check_input_settings(device.index, min(device.channels, 2), "float32", samplerate=rate)  # type: ignore[attr-defined]  # sounddevice is untyped
        except Exception as error:
            # sounddevice raises PortAudioError, but the module may not be imported by name here.
            if type(error).__name__ != "PortAudioError":
                raise
        else:
            accepted.add(rate)
    return sorted(accepted)


def _to_json(device: InputDevice, rates: list[int]) -> dict[str, object]:
    return {
        "index": device.index,
        "name": device.name,
        "host_api": device.host_api,
        "channels": device.channels,
        "default_rate": device.default_rate,
        "rates": rates,
        "default": device.is_default,
    }


class ChannelMeters:
    """RMS and peak hold of each channel. Pure: samples in, dBFS out."""

    def __init__(self, channels: int) -> None:
        self._power = np.zeros(channels)
        self._peak = np.zeros(channels)

    def push(self, samples: npt.NDArray[np.float32]) -> None:
        """``(frames, channels)`` float32. Smooths over about 100 blocks."""
        self._power += (np.mean(samples.astype(np.float64) ** 2, axis=0) - self._power) * 0.05
        self._peak = np.maximum(self._peak * 0.998, np.abs(samples).max(axis=0))

    def rms_dbfs(self) -> list[float]:
        """RMS relative to a full-scale sine, floored at -90."""
        return [max(FLOOR_DBFS, 10 * float(np.log10(max(p * 2, 1e-12)))) for p in self._power]

    def peak_dbfs(self) -> list[float]:
        """Held peak relative to full scale, floored at -90."""
        return [max(FLOOR_DBFS, 20 * float(np.log10(max(p, 1e-12)))) for p in self._peak]


def _meters(name: str, seconds: float, as_json: bool) -> int:
    source = PortAudioSource(InstrumentConfig(instrument="portaudio", device=name, channels="1,1"))
    stream, ring = source.open()
    meters = ChannelMeters(stream.channels)
    began = time.monotonic()
    try:
        with Live(console=Console(), refresh_per_second=15, transient=as_json) as live:
            while not seconds or time.monotonic() - began < seconds:
                ring.clear_wakeup()
                while (item := ring.read()) is not None:
                    block = item[0]
                    meters.push(to_float(block.data, stream, block.frames))
                if not as_json:
                    live.update(_draw(source.name, stream.rate, meters))
                time.sleep(0.05)
    finally:
        source.close()
    if as_json:
        levels = [round(v, 1) for v in meters.rms_dbfs()]
        print(json.dumps({"device": source.name, "rate": stream.rate, "rms_dbfs": levels}), file=sys.stdout)
    return 0


def _draw(name: str, rate: int, meters: ChannelMeters) -> Group:
    width = 50
    rows = [Text(f"{name}, {rate} Hz. The channels that move when you play are your pair. Ctrl-C ends.")]
    for number, (rms, peak) in enumerate(zip(meters.rms_dbfs(), meters.peak_dbfs(), strict=True), 1):
        filled = round((rms - FLOOR_DBFS) / -FLOOR_DBFS * width)
        colour = "red" if peak > -1 else "yellow" if peak > -9 else "green"
        row = Text(f"{number:3d} ")
        row.append("█" * filled, colour).append("·" * (width - filled), "dim")
        rows.append(row.append(f" {rms:6.1f} dBFS  peak {peak:6.1f}"))
    return Group(*rows)

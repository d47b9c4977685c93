"""What a person sees of the devices: a table of them, and the moving levels of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtcserver.capture.devices import InputDevice
from rtcserver.capture.kinds import Kind
from rtcserver.capture.meters import FLOOR_DBFS, Reading

_WIDTH = 50
"""Characters of a level's bar."""


def print_devices(found: Sequence[tuple[InputDevice, Sequence[int]]]) -> None:
    """A table of devices, each with the rates in Hz that it accepts."""
    if not found:
        print(
            "PortAudio sees no input device. Is the instrument plugged in and switched on, and may you use "
            "/dev/snd (group audio)? The embedded instrument needs none: --instrument fluidsynth."
        )
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "name", "host API", "channels", "rates in Hz"):
        table.add_column(column, no_wrap=True)
    for device, rates in found:
        # The device's own rate is marked: it is what samplerate = 0 takes.
        texts = [f"{rate}*" if rate == device.default_rate else str(rate) for rate in rates]
        mark = f"> {device.index}" if device.is_default else str(device.index)
        table.add_row(mark, device.name, device.host_api, str(device.channels), " ".join(texts))
    Console().print(table)
    print('* its own rate.  Capture one with:  --instrument portaudio --device "NAME" --channels 1,2')


def print_kinds(kinds: Iterable[Kind]) -> None:
    """A table of instrument kinds, and the options of those that have some."""
    table = Table(box=None, pad_edge=False)
    for column in ("instrument", "what it is", "played by", "options"):
        table.add_column(column, no_wrap=column == "instrument")
    for kind in kinds:
        options = "\n".join(
            f"{option.name} = {option.default!r}: {option.text} ({option.allowed()})"
            for option in kind.options
        )
        played_by = {"nobody": "", "port": "MIDI port", "process": "MIDI"}[kind.played_by]
        table.add_row(Text(kind.key), Text(kind.title), played_by, Text(kind.error or options))
    Console().print(table)


def watch(readings: Iterable[Reading]) -> None:
    """Draw readings over each other until they end."""
    with Live(console=Console(), refresh_per_second=15) as live:
        for reading in readings:
            live.update(_draw(reading))


def _draw(reading: Reading) -> Group:
    said = "The channels that move when you play are your pair. Ctrl-C ends."
    rows = [Text(f"{reading.device}, {reading.rate} Hz. {said}")]
    for number, (rms, peak) in enumerate(zip(reading.rms_dbfs, reading.peak_dbfs, strict=True), 1):
        filled = round((rms - FLOOR_DBFS) / -FLOOR_DBFS * _WIDTH)
        colour = "red" if peak > -1 else "yellow" if peak > -9 else "green"
        row = Text(f"{number:3d} ")
        row.append("█" * filled, colour).append("·" * (_WIDTH - filled), "dim")
        rows.append(row.append(f" {rms:6.1f} dBFS  peak {peak:6.1f}"))
    return Group(*rows)

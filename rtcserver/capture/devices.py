"""Which sound devices there are, and which one a name or an index means.

Choosing is pure over a list; only `list_devices` asks PortAudio.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from rtcserver.errors import DependencyError, InstrumentError

COMMON_RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)


@dataclass(frozen=True, slots=True)
class InputDevice:
    """One PortAudio device that can record."""

    index: int
    name: str
    host_api: str
    channels: int
    default_rate: int
    is_default: bool = False

    def label(self) -> str:
        return (
            f"{self.index}: {self.name} ({self.host_api}, {self.channels} channels, {self.default_rate} Hz)"
        )

    def to_json(self) -> dict[str, object]:
        """For ``rtcserver devices --json``."""
        return {
            "index": self.index,
            "name": self.name,
            "host_api": self.host_api,
            "channels": self.channels,
            "default_rate": self.default_rate,
            "default": self.is_default,
        }


def load_portaudio() -> Any:
    """The sounddevice module. Raises DependencyError with the command that installs PortAudio."""
    try:
        import sounddevice
    except OSError as error:
        raise DependencyError(
            "libportaudio is missing; install it with: sudo apt-get install libportaudio2"
        ) from error
    _accept_any_name(sounddevice)
    return sounddevice


def _accept_any_name(sd: Any) -> None:
    """Make sounddevice read names that are not UTF-8, with U+FFFD for what cannot be.

    ALSA cuts long names in the middle of a character, and some drivers write Latin-1. sounddevice then fails to
    list or open *any* device, this one or not. On Windows it goes by such failures to find the encoding.
    """
    read = sd._ffi_string
    if sys.platform == "win32" or hasattr(read, "accepts_any_name"):
        return

    def read_any(cdata: Any) -> bytes:
        name: bytes = read(cdata)
        return name.decode("utf-8", "replace").encode()

    read_any.accepts_any_name = True  # type: ignore[attr-defined]  # a mark that it has been replaced
    sd._ffi_string = read_any


def list_devices(sd: Any, *, outputs: bool = False) -> list[InputDevice]:
    """The input (or output) devices that PortAudio saw when it was initialised; its list is frozen then."""
    apis = sd.query_hostapis()
    default = sd.default.device[1 if outputs else 0]
    channels = "max_output_channels" if outputs else "max_input_channels"
    return [
        InputDevice(
            device["index"],
            device["name"],
            apis[device["hostapi"]]["name"],
            device[channels],
            round(device["default_samplerate"]),
            device["index"] == default,
        )
        for device in sd.query_devices()
        if device[channels] > 0
    ]


def accepted_rates(sd: Any, device: InputDevice) -> list[int]:
    """The usual rates in Hz that the device accepts, its own included, ascending."""
    accepted = {device.default_rate}
    for rate in COMMON_RATES:
        try:
            sd.check_input_settings(device.index, min(device.channels, 2), "float32", samplerate=rate)
        except sd.PortAudioError:
            continue
        accepted.add(rate)
    return sorted(accepted)


def choose(
    devices: list[InputDevice], wanted: str, *, key: str = "device", what: str = "input"
) -> InputDevice:
    """The device that `wanted` (an index, a name or a part of one, or "") means.

    A whole name, with or without ", host API", goes before an index, and that before a part of a name.
    Raises InstrumentError that lists what there is: nothing matches, or several do.
    """
    listing = "".join(f"\n  {d.label()}" for d in devices) or "\n  (none)"
    if not wanted:
        for device in devices:
            if device.is_default:
                return device
        if len(devices) == 1:
            return devices[0]
        raise InstrumentError(
            f"{key}: none is given and there is no default {what}. {what.title()}s:{listing}", code="missing"
        )
    if wanted.isascii() and wanted.isdigit() and not any(wanted == d.name for d in devices):
        for device in devices:
            if device.index == int(wanted):
                return device
        raise InstrumentError(
            f"{key}: there is no {what} device {wanted}. {what.title()}s:{listing}", code="missing"
        )
    lower = wanted.casefold()
    exact = [d for d in devices if lower in (d.name.casefold(), f"{d.name}, {d.host_api}".casefold())]
    partial = [d for d in devices if lower in f"{d.name}, {d.host_api}".casefold()]
    matches = exact or partial
    if not matches:
        raise InstrumentError(
            f'{key}: no {what} device is called "{wanted}". {what.title()}s:{listing}', code="missing"
        )
    if len(matches) > 1:
        several = "".join(f"\n  {d.label()}" for d in matches)
        raise InstrumentError(
            f'{key}: "{wanted}" matches several; use a longer name or an index:{several}', code="ambiguous"
        )
    return matches[0]

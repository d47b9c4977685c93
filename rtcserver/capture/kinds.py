"""The kinds of instruments: one entry each, and the only place that knows their names.

A kind of this package is one module with a `Source` and one entry in `BUILT_IN`. Other packages add kinds through
the entry-point group `rtcserver.capture.plugin.GROUP`; what such a kind says of itself is found out in a process of
its own (`rtcserver.instrument.plugins`) and told to this module with `add`: no code of a plug-in runs in the server.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rtcserver.capture.option import Option
from rtcserver.capture.source import Source
from rtcserver.config.model import InstrumentConfig
from rtcserver.config.written import nearest
from rtcserver.errors import ConfigError

PlayedBy = Literal["nobody", "port", "process"]
"""How performers' notes reach an instrument: not at all, through a MIDI port, or to its own process."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of instrument.

    key: its name in the configuration. title: what people call it. factory: makes the closed source; it raises
    InstrumentError, ConfigError, DependencyError. settings: keys of the configuration that concern this kind only.
    file_setting: the one of `settings` that names a file; needs_file: it must be given. options: those of a
    plug-in. named_by_device: the opened device has a name by which people know the instrument.
    error: why an installed plug-in cannot be used; empty if it can.
    """

    key: str
    title: str
    factory: Callable[[InstrumentConfig], Source]
    played_by: PlayedBy = "nobody"
    settings: tuple[str, ...] = ()
    file_setting: str = ""
    needs_file: bool = False
    options: tuple[Option, ...] = ()
    named_by_device: bool = False
    error: str = ""

    def to_json(self) -> dict[str, object]:
        """What ``devices --kinds --json`` prints."""
        return {
            "kind": self.key,
            "title": self.title,
            "played_by": self.played_by,
            "options": [option.to_message() for option in self.options],
            "error": self.error or None,
        }


def _portaudio(config: InstrumentConfig) -> Source:
    from rtcserver.capture.portaudio import PortAudioSource

    return PortAudioSource(config)


def _fluidsynth(config: InstrumentConfig) -> Source:
    from rtcserver.capture.fluid import FluidSynthSource

    return FluidSynthSource(config)


def _file(config: InstrumentConfig) -> Source:
    from rtcserver.capture.file import FileSource

    return FileSource(config)


def _tone(config: InstrumentConfig) -> Source:
    from rtcserver.capture.tone import ToneSource

    return ToneSource(config)


def plugin(config: InstrumentConfig) -> Source:
    """The factory of every kind that another package brings."""
    from rtcserver.capture.plugin import PluginSource

    return PluginSource(config)


BUILT_IN = (
    Kind(
        "portaudio",
        "Audio device",
        _portaudio,
        "port",
        ("device", "channels", "mix", "sample_format"),
        named_by_device=True,
    ),
    Kind(
        "fluidsynth",
        "Built-in synthesizer",
        _fluidsynth,
        "process",
        ("soundfont", "gain", "demo"),
        file_setting="soundfont",
    ),
    Kind("file", "Audio file", _file, settings=("file",), file_setting="file", needs_file=True),
    Kind("tone", "Test tone", _tone, settings=("tone_left_hz", "tone_right_hz", "tone_dbfs")),
)
_added: dict[str, Kind] = {}
"""Plug-ins that this process has been told of."""


def add(kind: Kind) -> None:
    """Make a plug-in's kind known in this process. One with a built-in kind's key is left out: ours go first."""
    if all(kind.key != built_in.key for built_in in BUILT_IN):
        _added[kind.key] = kind


def known() -> dict[str, Kind]:
    """All kinds that this process knows, by key, our own first."""
    return {kind.key: kind for kind in (*BUILT_IN, *_added.values())}


def kind_of(config: InstrumentConfig) -> Kind:
    """The kind of a room's instrument. One that nobody has described yet is a plug-in of which only the name is known."""
    return known().get(config.instrument) or Kind(config.instrument, config.instrument, plugin)


def installed() -> list[str]:
    """The keys of the plug-ins that are installed, sorted; none of their code is run."""
    from importlib.metadata import entry_points

    from rtcserver.capture.plugin import GROUP

    own = {kind.key for kind in BUILT_IN}
    return sorted({point.name for point in entry_points(group=GROUP)} - own)


def check(config: InstrumentConfig, where: str = "") -> Kind:
    """The kind of a room's instrument, as far as it is known without running a plug-in's code.

    where: begins the message, such as "room main: ". Raises ConfigError: the kind does not exist (all that do are
    listed), a built-in kind gets options, or the file that it is to play does not exist.
    """
    kind = next((built_in for built_in in BUILT_IN if built_in.key == config.instrument), None)
    if kind is None:
        plugins = installed()
        if config.instrument not in plugins:
            keys = [*(built_in.key for built_in in BUILT_IN), *plugins]
            meant = nearest(config.instrument, keys)
            install = f"; a plug-in's package is installed with: {sys.executable} -m pip install FOLDER"
            raise ConfigError(
                f'{where}instrument = "{config.instrument}" is not allowed'
                f"{f'; did you mean {meant}? Allowed' if meant else '; allowed'} are {', '.join(keys)}"
                f"{'' if meant else install}"
            )
        return kind_of(config)
    if config.options:
        raise ConfigError(
            f"{where}options: {kind.key} takes none; its keys are {', '.join(kind.settings)} themselves"
        )
    _check_file(kind, config, where)
    return kind


def _check_file(kind: Kind, config: InstrumentConfig, where: str) -> None:
    path: str = getattr(config, kind.file_setting) if kind.file_setting else ""
    if not path and kind.needs_file:
        raise ConfigError(
            f'{where}instrument "{kind.key}" needs a sound file; name it with --{kind.file_setting} FILE'
        )
    if path and not Path(path).is_file():
        what = "is a folder, not a file" if Path(path).is_dir() else "does not exist"
        if not Path(path).is_absolute():
            # A path is relative to the folder that the server was started in, not to that of its configuration.
            path = f"{path} (in {Path.cwd()})"
        raise ConfigError(f"{where}{kind.file_setting} = {path}: this file {what}")


def make_source(config: InstrumentConfig) -> Source:
    """The closed instrument of a configuration; only its own library is imported."""
    return kind_of(config).factory(config)

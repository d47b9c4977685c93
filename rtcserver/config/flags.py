"""The configuration's keys as flags of a command line, and what flags, environment and file say together."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtcserver.config.limits import LIMIT_KEYS
from rtcserver.config.load import CONFIG_FILE, ENV_PREFIX, descriptions, load, read_toml
from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS, InstrumentConfig, ServerConfig

if TYPE_CHECKING:
    import argparse


def add_server_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for each key that there is."""
    own = [key for key in SERVER_KEYS if key not in LIMIT_KEYS]
    add_flags(parser, {"server": own, "instrument and encoding": INSTRUMENT_KEYS, "limits": LIMIT_KEYS})


def add_flags(parser: argparse.ArgumentParser, groups: Mapping[str, Iterable[str]]) -> None:
    """``--config`` and flags for the keys of each titled group; only flags that are given have a say."""
    import argparse

    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"configuration file (default: {CONFIG_FILE} if it exists)",
    )
    explained = descriptions()
    hints = {**typing.get_type_hints(ServerConfig), **typing.get_type_hints(InstrumentConfig)}
    for title, keys in groups.items():
        group = parser.add_argument_group(title)
        for key in keys:
            flag = f"--{key.replace('_', '-')}"
            text = explained[key].replace("%", "%%")
            if hints[key] is bool:
                group.add_argument(
                    flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
                )
            else:
                group.add_argument(
                    flag, default=argparse.SUPPRESS, metavar=key.rpartition("_")[2].upper(), help=text
                )


def configuration(
    args: argparse.Namespace, environ: Mapping[str, str], *, required: bool = False
) -> ServerConfig:
    """What the arguments, the environment and the file say together. Raises ConfigError.

    required: whether the file has to be there even if nothing names it.
    """
    named = args.config or (
        Path(environ[ENV_PREFIX + "CONFIG"]) if environ.get(ENV_PREFIX + "CONFIG") else None
    )
    path = named or Path(CONFIG_FILE)
    toml = read_toml(path, required=required or named is not None)
    known = {*SERVER_KEYS, *INSTRUMENT_KEYS}
    flags: dict[str, Any] = {key: value for key, value in vars(args).items() if key in known}
    return load(flags, environ, toml, toml_name=str(path))


def rereading(
    args: argparse.Namespace,
    environ: Mapping[str, str],
    how: Callable[..., ServerConfig] = configuration,
) -> Callable[[], ServerConfig]:
    """Reads the configuration each time, by `how`. A file that was there then has to be there
    again: a server whose file is lost must not go on with the usual rules in the place of its own."""
    was_there = False

    def read() -> ServerConfig:
        nonlocal was_there
        found = how(args, environ, required=was_there)
        was_there = was_there or Path(CONFIG_FILE).is_file()
        return found

    return read

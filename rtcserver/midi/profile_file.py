"""Profiles as TOML files: those that come with the server, and others by their path.

Strict: a key that is unknown, missing or out of range is refused, and the error names the file, the key, the
value and what is allowed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from rtcserver.errors import ConfigError
from rtcserver.midi import message as m
from rtcserver.midi.profile import ChecklistItem, PortRules, Profile, SoundScheme

FOLDER = Path(__file__).with_name("profiles")
"""The profiles that come with the server, as data of the package."""
MAX_TEXT = 400
_ID = re.compile(r"^[a-z0-9][a-z0-9-]{0,31}$")
_LAYOUTS = ("grid", "list", "numbers")
_MODES = ("one", "all")


def names() -> list[str]:
    """Names of the profiles that come with the server."""
    return sorted(file.name.removesuffix(".toml") for file in FOLDER.iterdir() if file.name.endswith(".toml"))


def guess(*device_names: str) -> str:
    """The profile for a device that calls itself so: the one with rules for such a name, else ``gm``."""
    for name in names():
        for part in load(name).port.contains:
            if any(part.casefold() in device.casefold() for device in device_names):
                return name
    return "gm"


def load(name: str) -> Profile:
    """A profile by its name (``montage``) or by a path that ends in ``.toml``. Raises ConfigError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise ConfigError(f"profile: there is no {name!r}; allowed are {', '.join(names())} or a .toml file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"profile: {path} does not exist") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"profile {path}: {error}") from error
    return parse(table, path.name)


def parse(table: dict[str, Any], file: str = "profile") -> Profile:
    """A profile from its TOML tables. Raises ConfigError."""
    top = _Table(table, file, "")
    port = top.table("port")
    channels = top.table("channels")
    filters = top.table("filter")
    files = top.table("file")
    profile = Profile(
        id=top.identifier("id"),
        name=top.text("name"),
        port=PortRules(port.texts("contains"), port.texts("music"), port.texts("left_alone")),
        play_channel=channels.number("play", 1, 16) - 1,
        one_channel=channels.choice("mode", _MODES) == "one",
        programs=filters.flag("programs"),
        system_exclusive=filters.number("system_exclusive", 0, m.MAX_SYSEX),
        file_programs=files.flag("programs"),
        file_drums=files.flag("drums"),
        sounds=tuple(_scheme(each) for each in top.tables("sounds")),
        checklist=tuple(_item(each) for each in top.tables("checklist")),
    )
    for each in (top, port, channels, filters, files):
        each.close()
    twice = {s.id for s in profile.sounds if [x.id for x in profile.sounds].count(s.id) > 1}
    if twice:
        raise ConfigError(f"{file}: sounds.id: {twice.pop()!r} is there twice; each must be different")
    return profile


def _item(table: _Table) -> ChecklistItem:
    item = ChecklistItem(table.text("title"), table.text("text"))
    table.close()
    return item


def _scheme(table: _Table) -> SoundScheme:
    scheme = SoundScheme(
        id=table.identifier("id"),
        title=table.text("title"),
        layout=table.choice("layout", _LAYOUTS),
        bank_msb=table.number("bank_msb", 0, 127) if "bank_msb" in table else None,
        bank_lsb=table.span("bank_lsb") if "bank_msb" in table else (0, 0),
        program=table.span("program"),
        bank_title=table.text("bank_title", ""),
        program_title=table.text("program_title", ""),
        bank_names=table.texts("bank_names"),
        program_names=table.texts("program_names"),
        groups=table.texts("groups"),
        note=table.text("note", ""),
    )
    for key, listed, (low, high) in (
        ("bank_names", scheme.bank_names, scheme.bank_lsb),
        ("program_names", scheme.program_names, scheme.program),
    ):
        if listed and len(listed) != high - low + 1:
            raise table.error(key, f"{len(listed)} names", f"one for each of the {high - low + 1} numbers")
    if scheme.layout == "list" and not scheme.program_names:
        raise table.error("program_names", "nothing", 'names, because layout is "list"')
    table.close()
    return scheme


class _Table:
    """One TOML table, read key by key; what was not read is an error."""

    def __init__(self, values: Any, file: str, path: str) -> None:
        self._file, self._path = file, path
        if not isinstance(values, dict):
            raise ConfigError(f"{file}: {path.rstrip('.')}: {values!r} is not allowed; it must be a table")
        self._values = values
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def error(self, key: str, value: str, allowed: str) -> ConfigError:
        return ConfigError(f"{self._file}: {self._path}{key}: {value} is not allowed; it must be {allowed}")

    def close(self) -> None:
        """Raise ConfigError for a key that nobody asked for."""
        for key in self._values:
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                raise ConfigError(f"{self._file}: {self._path}{key}: unknown key; allowed are {known}")

    def table(self, key: str) -> _Table:
        return _Table(self._get(key, {}), self._file, f"{self._path}{key}.")

    def tables(self, key: str) -> list[_Table]:
        values = self._get(key, [])
        if not isinstance(values, list):
            raise self.error(key, repr(values)[:60], f"tables, [[{key}]]")
        return [_Table(each, self._file, f"{self._path}{key}[{n}].") for n, each in enumerate(values)]

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or len(value) > MAX_TEXT or (default is None and not value):
            raise self.error(key, repr(value)[:60], f"a text of up to {MAX_TEXT} characters")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and len(v) <= MAX_TEXT for v in values):
            raise self.error(key, repr(values)[:60], "a list of texts")
        return tuple(values)

    def identifier(self, key: str) -> str:
        value = self._get(key, None)
        if not isinstance(value, str) or not _ID.match(value):
            raise self.error(key, repr(value)[:60], "1 to 32 of a-z, 0-9 and -")
        return value

    def number(self, key: str, low: int, high: int) -> int:
        value = self._get(key, None)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, repr(value)[:60], f"a whole number from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        value = self._get(key, None)
        if not isinstance(value, bool):
            raise self.error(key, repr(value)[:60], "true or false")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self._get(key, None)
        if value not in allowed:
            raise self.error(key, repr(value)[:60], " or ".join(f'"{each}"' for each in allowed))
        return str(value)

    def span(self, key: str) -> tuple[int, int]:
        value = self._get(key, None)
        good = (
            isinstance(value, list)
            and len(value) == 2
            and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
            and 0 <= value[0] <= value[1] <= 127
        )
        if not good:
            raise self.error(key, repr(value)[:60], "[first, last] with 0 ≤ first ≤ last ≤ 127")
        return value[0], value[1]

    def _get(self, key: str, default: Any) -> Any:
        self._read.add(key)
        return self._values.get(key, default)

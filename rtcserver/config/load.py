"""Reads the configuration: flags over ``RTCSERVER_*`` variables over ``rtcserver.toml`` over defaults.

Pure but for `read_toml`. Every error names the key, where it stands, the value and what is allowed.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from rtcserver.access import users
from rtcserver.access.rules import ACTIONS, DEFAULT, EXTERNAL, AccessRule, network_of, parse
from rtcserver.config.ice_servers import check_ice_servers
from rtcserver.config.limits import LIMIT_KEYS
from rtcserver.config.mix import parse_mix
from rtcserver.config.model import (
    INSTRUMENT_KEYS,
    SERVER_KEYS,
    TABLES,
    InstrumentConfig,
    OneOf,
    RoomConfig,
    ServerConfig,
)
from rtcserver.config.published import (
    is_of_kubernetes,
    parse_allowed_hosts,
    parse_allowed_origins,
    parse_auth_url,
    parse_embed_ancestors,
    parse_frame_ancestors,
)
from rtcserver.config.written import choice, hint_for, shown, unknown_key, unquoted
from rtcserver.errors import ConfigError

log = logging.getLogger(__name__)

ENV_PREFIX = "RTCSERVER_"
CONFIG_FILE = "rtcserver.toml"
_PATHS = (
    "soundfont",
    "file",
    "midi_profile",
    "tls_cert",
    "tls_key",
    "turn_secret_file",
    "turn_password_file",
    "state_dir",
    "health_file",
)
"""Keys that name files or folders: "~" in front is the user's home."""
_LISTS = (
    "allowed_hosts",
    "allowed_origins",
    "public_host",
    "shared_addresses",
    "trusted_proxies",
    "frame_ancestors",
    "embed_ancestors",
    "ice_servers",
)
"""Keys that TOML may hold as a list of texts, too."""
_SECRETS = ("turn_secret", "turn_password")
"""Keys whose values no message shows."""
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)$")
_ROOM_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?")
_MAX_PUBLIC_HOSTS = 8
_HINTS: dict[str, Any] = {
    **typing.get_type_hints(ServerConfig, include_extras=True),
    **typing.get_type_hints(InstrumentConfig, include_extras=True),
}


def read_toml(path: Path, *, required: bool) -> dict[str, Any]:
    """The file's tables; empty if it does not exist and is not `required`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{path}: there is no such file") from None
        return {}
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: its lists and tables are nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}{_shown(text, str(error))}") from error


def _shown(text: str, message: str) -> str:
    """The line that a message of `tomllib` names, with a mark below the column; "" if it names none.

    An error at the end of the document, as in a string that is not closed, shows the last line with text.
    """
    place = _PLACE.search(message)
    lines = text.splitlines()
    if place is None:
        written = [line for line in lines if line.strip()]
        last = written[-1] if written else ""
        return f":\n    {_hidden(last)}" if last else ""
    line, column = int(place[1]), int(place[2])
    if line > len(lines):
        return ""
    wrong = lines[line - 1]
    if _hidden(wrong) != wrong:
        return f":\n    {_hidden(wrong)}"
    return f"{hint_for(wrong)}:\n    {wrong}\n    {' ' * (column - 1)}^"


def _hidden(line: str) -> str:
    """A line of the file, without a secret that it gives."""
    key, _, _ = line.partition("=")
    return f"{key}= …" if key.strip() in _SECRETS else line


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    toml: Mapping[str, Any],
    *,
    toml_name: str = CONFIG_FILE,
) -> ServerConfig:
    """Merge and validate.

    flags: only those that were given. environ: the process's variables; the ones with our prefix are read, but for
    `RTCSERVER_CONFIG`, empty ones and those of Kubernetes. toml: the file's content.
    """
    known = (*SERVER_KEYS, *INSTRUMENT_KEYS)
    values: dict[str, Any] = {}
    tables = toml.get("rooms", {})
    for key, value in toml.items():
        if key in TABLES:
            continue
        values[key] = _checked(key, value, toml_name, known)
    for name, text in environ.items():
        key = name.removeprefix(ENV_PREFIX).lower()
        if not name.startswith(ENV_PREFIX) or key == "config":
            continue
        if not text.strip() or is_of_kubernetes(name, text):
            log.debug("%s is not read: it is empty or tells of a service", name)
            continue
        # The quotation marks of options belong to its names and values.
        values[key] = _checked(key, text if key == "options" else unquoted(text), name, known)
    for key, value in flags.items():
        values[key] = _checked(key, value, f"--{key.replace('_', '-')}", known)

    server = ServerConfig(**{k: v for k, v in values.items() if k in SERVER_KEYS})
    instrument = InstrumentConfig(**{k: v for k, v in values.items() if k in INSTRUMENT_KEYS})
    rooms = _rooms(server, instrument, tables, toml_name)
    parse_auth_url(server.auth_url)
    try:
        rules: tuple[AccessRule, ...] = EXTERNAL if server.auth_url else DEFAULT
        if "access" in toml:
            rules = parse(toml["access"], tuple(rooms), elsewhere=bool(server.auth_url))
        known_users = users.parse(toml.get("users", []), tuple(rooms))
        if known_users and not any(rule.token for rule in rules):
            raise ValueError("users can do nothing: no access rule has token = true")
    except ValueError as error:
        raise ConfigError(f"{toml_name}: {error}") from None
    parse_hosts(server.public_host)
    parse_networks(server.shared_addresses, "shared_addresses")
    parse_networks(server.trusted_proxies, "trusted_proxies")
    parse_allowed_hosts(server.allowed_hosts)
    parse_allowed_origins(server.allowed_origins)
    parse_frame_ancestors(server.frame_ancestors)
    parse_embed_ancestors(server.embed_ancestors)
    check_ice_servers(server)
    for room in rooms.values():
        parse_mix(room.instrument.channels, room.instrument.mix)
    state_dir = server.state_dir or _state_dir(environ)
    return replace(server, rooms=rooms, access=rules, users=known_users, state_dir=state_dir)


def _state_dir(environ: Mapping[str, str]) -> str:
    """The user's data folder (XDG Base Directory Specification); "" for a user without a home."""
    if data := environ.get("XDG_DATA_HOME"):
        return str(Path(data) / "rtcserver")
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        return ""
    return str(home / ".local" / "share" / "rtcserver")


def _rooms(
    server: ServerConfig, instrument: InstrumentConfig, tables: Any, toml_name: str
) -> dict[str, RoomConfig]:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{toml_name}: rooms must be tables such as [rooms.main]")
    if not tables:
        _room_name(server.room, "room")
        return {server.room: RoomConfig(server.room, server.title, instrument)}
    rooms = {}
    for name, table in tables.items():
        _room_name(name, f"{toml_name}: rooms")
        where = f"{toml_name}: rooms.{name}"
        values = {
            key: _checked(key, value, where, ("title", *INSTRUMENT_KEYS)) for key, value in table.items()
        }
        title = values.pop("title", server.title)
        if values.get("instrument", instrument.instrument) != instrument.instrument:
            # Options belong to a kind of instrument: another kind does not take them over.
            values.setdefault("options", {})
        rooms[name] = RoomConfig(name, title, replace(instrument, **values))
    return rooms


def _room_name(name: str, where: str) -> None:
    if not _ROOM_NAME.match(name):
        raise ConfigError(
            f'{where}: "{name}" is no room name; allowed are letters, digits, - and _, at most 64'
        )


def _checked(key: str, value: Any, where: str, known: tuple[str, ...]) -> Any:
    if key not in known:
        raise ConfigError(unknown_key(key, value, where, known))
    hint = _HINTS[key]
    value = choice(hint, _as_written(key, value))
    if key == "options" and isinstance(value, str):
        value = parse_options(value, where)
    # A large library for a moment: a server that has read its configuration can do without it (`rtcserver.children.apart`).
    from pydantic import TypeAdapter, ValidationError

    # Text from the environment and from flags is read leniently ("true", "10"), TOML strictly typed.
    try:
        checked = TypeAdapter(hint).validate_python(
            value, strict=not isinstance(value, str) and hint is not float
        )
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        said = "…" if key in _SECRETS else shown(value)
        raise ConfigError(f'{where}: {key} = "{said}" is not allowed: {detail["msg"]}') from None
    for annotation in getattr(hint, "__metadata__", ()):
        if isinstance(annotation, OneOf) and checked not in annotation.values:
            allowed = ", ".join(f"{number:g}" for number in annotation.values)
            raise ConfigError(f'{where}: {key} = "{value}" is not allowed; allowed are {allowed}')
    if key in _PATHS and isinstance(checked, str) and checked.startswith("~"):
        try:
            return str(Path(checked).expanduser())
        except (RuntimeError, ValueError) as error:  # no such user, or no name at all
            raise ConfigError(f'{where}: {key} = "{value}" is not allowed: {error}') from None
    return checked


def _as_written(key: str, value: Any) -> Any:
    """TOML's ``device = 3``, ``channels = 1``, ``channels = [1, 2]`` and lists of texts as the texts that the keys hold."""

    def whole(number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool)

    if key == "device" and whole(value):
        return str(value)
    if key == "channels" and whole(value):
        # One channel is heard on both sides.
        return f"{value},{value}"
    if key == "channels" and isinstance(value, list) and all(whole(number) for number in value):
        return ",".join(map(str, value))
    if key in _LISTS and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    return value


def parse_options(text: str, where: str) -> dict[str, Any]:
    """`options` given as text, such as ``decay_s = 4.0, body = "warm"``: an inline table of TOML, braces left out or not.

    Raises ConfigError.
    """
    stripped = text.strip().removeprefix("{").removesuffix("}")
    try:
        return dict(tomllib.loads(f"options = {{{stripped}}}")["options"])
    except (tomllib.TOMLDecodeError, TypeError, ValueError, RecursionError):
        raise ConfigError(
            f"{where}: options = {text!r} is not understood; write name = value pairs such as "
            "decay_s = 4.0, texts in quotation marks, with commas between them"
        ) from None


def parse_networks(text: str, key: str) -> tuple[str, ...]:
    """The value of a key that names addresses or networks. Raises ConfigError that names the wrong one."""
    networks: list[str] = []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            networks.append(network_of(part))
        except ValueError as error:
            raise ConfigError(
                f'{key}: "{part}" is neither an address nor a network such as 10.1.0.0/16'
            ) from error
    return tuple(networks)


def parse_hosts(text: str) -> tuple[str, ...]:
    """`public_host` as addresses (without brackets) and names. Raises ConfigError that names the wrong one.

    Whether the names exist is asked when the media port is opened.
    """
    hosts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(hosts) > _MAX_PUBLIC_HOSTS:
        raise ConfigError(
            f'public_host = "{text}": these are {len(hosts)}; at most {_MAX_PUBLIC_HOSTS} are allowed'
        )
    return tuple(_public_host(host) for host in hosts)


def _public_host(host: str) -> str:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        # What is made of digits alone would be an address (RFC 1123, section 2.1), and is none.
        if _HOST_NAME.fullmatch(host) and not re.fullmatch(r"[0-9.]*", host):
            return host
    else:
        if not (address.is_unspecified or address.is_multicast or "%" in bare):
            return bare
    raise ConfigError(
        f'public_host = "{host}" is not allowed: it is an address or a name that listeners can reach, as in '
        '"203.0.113.5" or "music.example", without scheme and port; several are separated by commas'
    )


def defaults() -> dict[str, Any]:
    """Every key that can be set, with its default."""
    found: dict[str, Any] = {}
    for cls in (ServerConfig, InstrumentConfig):
        for f in fields(cls):
            if f.default is not MISSING:
                found[f.name] = f.default
            elif f.default_factory is not MISSING:
                found[f.name] = f.default_factory()
    limits = {key: found.pop(key) for key in LIMIT_KEYS}
    return found | limits


def descriptions() -> dict[str, str]:
    """Every key's explanation: the string below its field."""
    import ast
    import inspect

    from rtcserver.config import limits, model

    found: dict[str, str] = {}
    for node in [*ast.parse(inspect.getsource(model)).body, *ast.parse(inspect.getsource(limits)).body]:
        if isinstance(node, ast.ClassDef) and node.name in (
            "ServerConfig",
            "InstrumentConfig",
            "LimitConfig",
        ):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                    and isinstance(text.value.value, str)
                ):
                    found[field.target.id] = " ".join(text.value.value.split())
    return found


def example() -> str:
    """``rtcserver.example.toml``: every key, explained, at its default."""
    explained = descriptions()
    lines = [
        "# rtcserver's configuration. Copy to rtcserver.toml and uncomment what you change.",
        "# A flag (--port 9000) goes over a variable (RTCSERVER_PORT=9000), and that over this file.",
        "",
    ]
    for key, value in defaults().items():
        if key in TABLES:
            continue
        if key == LIMIT_KEYS[0]:
            lines += ["# Limits: docs/security.md says what happens beyond each.", ""]
        text = f'"{value}"' if isinstance(value, str) else str(value).lower()
        lines += [f"# {explained[key]}", f"#{key} = {text}", ""]
    lines += [
        "# Several rooms: a table for each; keys of the instrument not named here are taken from above.",
        "#[rooms.main]",
        '#title = "The studio"',
        '#instrument = "portaudio"',
        '#device = "MONTAGE"',
        '#channels = "1,2"',
        "",
        "# Who may do what: a request passes when one rule lets it pass. These two apply unless rules are written here.",
        f"# Actions: {', '.join(ACTIONS)}. Networks: loopback, private, any, or such as 10.1.0.0/16; all if left out.",
        "# token = true: with a token that is for it (rtcserver token), or as a user. rooms: names; all if left out.",
        "# external = true: auth_url decides.",
        "#[[access]]",
        '#actions = ["listen", "read"]',
        '#networks = ["private"]',
        "#[[access]]",
        f"#actions = [{', '.join(chr(34) + action + chr(34) for action in ACTIONS)}]",
        "#token = true",
        "",
        "# Users, for players that know Basic authentication only. `rtcserver token hash` makes the password's hash.",
        "#[[users]]",
        '#name = "vlc"',
        '#password = "scrypt$…"',
        '#actions = ["listen"]',
        "",
    ]
    return "\n".join(lines)

"""What operators write: the configuration in TOML, in variables, in single values; profiles of instruments."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from rtcserver.config import published
from rtcserver.config.load import defaults, load, parse_hosts, parse_networks, parse_options, read_toml
from rtcserver.config.mix import parse_mix
from rtcserver.config.written import hint_for, unquoted
from rtcserver.errors import ConfigError
from rtcserver.midi import profile_file
from tests.fuzz.target import target

EXAMPLE = Path(__file__).parents[3] / "rtcserver.example.toml"
KEYS = tuple(defaults())


class InMemory:
    """As much of a path as `read_toml` uses."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_text(self, encoding: str) -> str:
        return self._data.decode(encoding).replace("\r\n", "\n")

    def __str__(self) -> str:
        return "rtcserver.toml"


def _files() -> Iterator[bytes]:
    uncommented = [
        line.lstrip("#") for line in EXAMPLE.read_text().splitlines() if line[:1] == "#" and line[:2] != "# "
    ]
    yield from (f"{line}\n".encode() for line in uncommented if "=" in line)
    yield b'[rooms.main]\ntitle = "A"\ninstrument = "tone"\nchannels = [1, 2]\n[rooms.b]\ndevice = 3\n'
    yield b'[[access]]\nactions = ["listen"]\nnetworks = ["10.1.0.0/16"]\nrooms = ["main"]\ntoken = true\n'
    hashed = f"scrypt$14$8$5${'A' * 22}==${'A' * 43}="
    yield f'[[users]]\nname = "anna"\npassword = "{hashed}"\nactions = ["listen"]\nrooms = ["main"]\n'.encode()
    yield b"port = yes\n"
    yield b'options = {decay_s = 4.0, body = "warm"}\nallowed_hosts = ["a", "b"]\n'


@target(
    "config-file",
    ConfigError,
    good=_files,
    words=(*KEYS, "[[access]]", "[[users]]", "[rooms.main]", " = ", '"', "[", "{"),
    max_bytes=800,
)
def file(data: bytes) -> None:
    load({}, {}, read_toml(cast(Path, InMemory(data)), required=True))


def _variables() -> Iterator[bytes]:
    yield from (
        b"PORT=9000",
        b"TLS=auto",
        b"MIX=1:L:0, 2:R:-3",
        b"CHANNELS='1,2'",
        b"FRAME_MS=5",
        b"PORT=tcp://10.0.0.1:80",
    )
    yield from (
        b"ROOM=a b",
        b"PUBLIC_HOST=[::1],music.example",
        b"OPTIONS={a = 1}",
        b"FILE=~/x.wav",
        b"ALLOWED_HOSTS=*",
    )


@target(
    "config-variable", ConfigError, good=_variables, words=[key.upper() + "=" for key in KEYS], max_bytes=200
)
def variable(data: bytes) -> None:
    name, _, value = data.decode("utf-8", "surrogateescape").partition("=")
    load({}, {f"RTCSERVER_{name}": value, "HOME": "/"}, {})


_VALUES: tuple[Callable[[str], Any], ...] = (
    parse_hosts,
    published.parse_frame_ancestors,
    lambda text: parse_networks(text, "trusted_proxies"),
    lambda text: parse_options(text, "options"),
    lambda text: parse_mix(text, ""),
    lambda text: parse_mix("", text),
    lambda text: parse_mix("1,2", text, 1),
    published.parse_auth_url,
)


def _values() -> Iterator[bytes]:
    examples = (
        "[::1], music.example",
        "https://home.local:8123 self",
        "10.1.0.0/16, ::1",
        "{a = 1}",
        "1 / 2",
        "1:LR:-6dB",
        "1:L:0",
        "http://[::1]:9/auth",
    )
    for number, text in enumerate(examples):
        yield bytes([number]) + text.encode()


@target("config-value", ConfigError, good=_values, max_bytes=200)
def value(data: bytes) -> None:
    """The first byte says which key it is a value of."""
    text = data[1:].decode("utf-8", "replace")
    unquoted(text)
    hint_for(text)
    if data:
        _VALUES[data[0] % len(_VALUES)](text)


def _profiles() -> Iterator[bytes]:
    for name in profile_file.names():
        yield (profile_file.FOLDER / f"{name}.toml").read_bytes()[:3000]
    yield b'id = "x"\nname = "X"\n[channels]\nplay = 1\nmode = "one"\n[filter]\nprograms = true\n' + (
        b"system_exclusive = 0\n[file]\nprograms = true\ndrums = true\n"
    )


@target("profile", ConfigError, good=_profiles, max_bytes=3000)
def profile(data: bytes) -> None:
    try:
        table = tomllib.loads(data.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    profile_file.parse(table)

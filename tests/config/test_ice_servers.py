"""STUN and TURN servers in the configuration: what is wrong is named at start, and no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtcserver.config.ice_servers import MAX_ICE_SERVERS, parse_ice_servers
from rtcserver.config.load import load, read_toml
from rtcserver.config.model import ServerConfig
from rtcserver.errors import ConfigError
from rtcserver.server.turn import MAX_SECRET_BYTES, password_of, secret_of

HOME = {"HOME": "/home/ann"}
SECRET = "north-by-northwest"


@pytest.mark.parametrize(
    "url",
    [
        "stun:stun.example.net",
        "stun:192.0.2.1:3478",
        "stuns:[2001:db8::1]:5349",
        "turn:turn.example.net?transport=udp",
        "turn:localhost:1?transport=tcp",
        "TURNS:turn.example.net.:65535",
    ],
)
def test_urls_of_the_grammar_pass(url: str) -> None:
    assert parse_ice_servers(f" {url},, stun:a ,{url}") == (url, "stun:a")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("turn://turn.example.net", "without // and path"),
        ("https://turn.example.net", "no URL of such a server"),
        ("turn.example.net:3478", "no URL of such a server"),
        ("turn:", "no URL of such a server"),
        ("turn:turn.example.net/path", "no URL of such a server"),
        ("turn:turn example.net", "no URL of such a server"),
        ("turn:turn.example.net?transport=sctp", "no URL of such a server"),
        ("turn:turn.example.net:0", "from 1 to 65535"),
        ("turn:turn.example.net:65536", "from 1 to 65535"),
        ("turn:192.0.2.256", "no URL of such a server"),
        ("turn:192.0.2", "no URL of such a server"),
        ("turn:[2001:db8::1", "no URL of such a server"),
        ("turn:[192.0.2.1]", "no URL of such a server"),
        ("turn:2001:db8::1", "no URL of such a server"),
        ("turn:a..b", "no URL of such a server"),
        ("stun:stun.example.net?transport=udp", "only turn: and turns: have a .transport"),
    ],
)
def test_what_is_no_url_is_named(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        parse_ice_servers(f"stun:fine.example,{url}")
    assert url in str(error.value)


def test_there_is_an_end_to_their_number() -> None:
    urls = [f"stun:host{n}" for n in range(MAX_ICE_SERVERS + 1)]
    assert len(parse_ice_servers(",".join(urls[:-1]))) == MAX_ICE_SERVERS
    with pytest.raises(ConfigError, match=f"at most {MAX_ICE_SERVERS}"):
        parse_ice_servers(",".join(urls))


TURN = {"ice_servers": "turn:turn.example"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (TURN, "turn:turn.example needs turn_secret"),
        ({"ice_servers": "stun:a, turns:b"}, "turns:b needs turn_secret"),
        (TURN | {"turn_secret": "  "}, "turn_secret is empty"),
        (
            TURN | {"turn_secret": SECRET, "turn_secret_file": "/s"},
            "turn_secret and turn_secret_file are both given",
        ),
        (TURN | {"turn_secret": SECRET, "turn_username": "ann"}, "are for servers without one"),
        (TURN | {"turn_secret": SECRET, "turn_password": SECRET}, "are for servers without one"),
        (TURN | {"turn_username": "ann"}, "turn_password or turn_password_file is missing"),
        (TURN | {"turn_password": SECRET}, "turn_username is missing"),
        (
            TURN | {"turn_username": "ann", "turn_password": "pass\r\nX: y"},
            "turn_password may hold printable",
        ),
        ({"turn_secret": SECRET}, "names no turn: or turns: URL"),
        ({"ice_servers": "stun:a", "turn_secret_file": "/s"}, "names no turn: or turns: URL"),
        (TURN | {"turn_secret": SECRET, "turn_lifetime_s": "10"}, "turn_lifetime_s"),
        (TURN | {"turn_secret": 31415926}, "turn_secret"),
        ({"ice_servers": f"turn:ann:{SECRET}@turn.example"}, "no URL of such a server"),
    ],
)
def test_what_does_not_go_together_is_named_and_no_secret_is_shown(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        load({}, HOME, values)
    for secret in (SECRET, "31415926", "pass"):
        assert secret not in str(error.value).replace("turn_password", "")


def test_a_line_with_a_secret_that_is_not_closed_is_not_shown(tmp_path: Path) -> None:
    for text in (f'turn_secret = "{SECRET}', f'turn_secret = {SECRET} "\nport = 1'):
        path = tmp_path / "rtcserver.toml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"turn_secret ?= …") as error:
            read_toml(path, required=True)
        assert SECRET not in str(error.value)


def test_secrets_come_from_a_variable_a_file_or_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    by_variable = load({}, {**HOME, "RTCSERVER_TURN_SECRET": SECRET}, TURN)
    by_file = load({}, HOME, TURN | {"turn_secret_file": str(file)})
    assert secret_of(by_variable) == secret_of(by_file) == SECRET
    static = TURN | {"turn_username": "ann"}
    assert password_of(load({}, HOME, static | {"turn_password_file": str(file)})) == SECRET
    assert password_of(load({}, HOME, static | {"turn_password": "p"})) == "p"
    for config in (by_variable, by_file):
        assert SECRET not in repr(config)
    assert (secret_of(ServerConfig()), password_of(ServerConfig())) == ("", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (f"{SECRET}\nmore\n".encode(), "more than one line"),
        (b"\xff\xfe", "no UTF-8 text"),
        (b"x" * (MAX_SECRET_BYTES + 1), "more than one line"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    config = load({}, HOME, TURN | {"turn_secret_file": str(file)})
    with pytest.raises(ConfigError, match=f'turn_secret_file = "{file}".*{said}') as error:
        secret_of(config)
    assert SECRET not in str(error.value)

"""The links that are printed at the start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rtcserver.commands.table import main
from rtcserver.config.load import load
from rtcserver.errors import ConfigError
from rtcserver.server.serve import Server, announce, warn_of_openness
from tests.access.test_users import CHEAP


async def test_the_listeners_link_comes_before_the_secret_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tables = {"rooms": {"hall": {"instrument": "tone"}, "stage": {"instrument": "tone"}}}
    server = Server(
        load(
            {"host": "127.0.0.1", "port": "8181", "print_links": "always", "state_dir": str(tmp_path)},
            {},
            tables,
        )
    )
    monkeypatch.setattr(server.listening, "playable", lambda room: room == "stage")
    announce(server)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "Listen at  http://127.0.0.1:8181/r/hall",
        "Listen at  http://127.0.0.1:8181/r/stage",
    ]
    assert lines[2].startswith("Play at    http://127.0.0.1:8181/r/stage#perform=")
    assert len(lines) == 3
    server.config = replace(server.config, print_links="auto")
    announce(server)
    assert "#perform=" not in capsys.readouterr().out


async def test_a_log_in_json_has_the_links_but_not_the_secret_ones(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    given = {"log_format": "json", "print_links": "always", "state_dir": str(tmp_path), "port": "8181"}
    server = Server(load(given, {}, {}))
    monkeypatch.setattr(server.listening, "playable", lambda room: True)
    caplog.set_level("INFO")
    caplog.clear()
    announce(server)
    assert capsys.readouterr().out == ""
    assert caplog.messages[:2] == [
        "Listen at  http://localhost:8181/r/main",
        "Play at    (a secret: `python -m rtcserver link` with this start's flags prints it)",
    ]
    assert "#perform=" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "link"),
    [
        ({}, "http://localhost:8181"),
        ({"host": "::1"}, "http://[::1]:8181"),
        ({"host": "::"}, "http://localhost:8181"),
        ({"host": "0.0.0.0"}, "http://localhost:8181"),
        ({"public_host": "[2001:db8::5]"}, "http://[2001:db8::5]:8181"),
        ({"public_host": "music.example, 203.0.113.5", "host": "127.0.0.1"}, "http://music.example:8181"),
        ({"public_host": "203.0.113.5", "tls": "auto"}, "https://203.0.113.5:8181"),
    ],
)
def test_links_can_be_opened_whatever_the_address_is(
    settings: dict[str, str], link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(load({"instrument": "tone", "port": "8181", **settings}, {"HOME": "/home/ann"}, {}))
    announce(server)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Listen at  {link}/r/main"
    # Who named no address is told how other machines may find the server.
    assert any(line.startswith("From other machines") for line in lines) is ("localhost" in link)


@pytest.mark.parametrize("public_host", ["", "music.example, 203.0.113.5", "2001:db8::5"])
def test_the_command_prints_the_links_that_the_server_prints(
    public_host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    variables = {"RTCSERVER_STATE_DIR": str(tmp_path), "RTCSERVER_PUBLIC_HOST": public_host}
    server = Server(load({"print_links": "always"}, variables, {}))
    monkeypatch.setattr(server.listening, "playable", lambda _: True)
    announce(server)
    announced = capsys.readouterr().out
    assert main(["link"], variables) == 0
    assert capsys.readouterr().out == announced


@pytest.mark.parametrize("value", ["http://music.example", "https://[2001:db8::5]/", "music.example:8443"])
def test_a_public_host_with_a_scheme_or_port_is_refused_in_a_sentence(value: str) -> None:
    with pytest.raises(ConfigError, match="without scheme and port"):
        load({"public_host": value}, {}, {})


USER = {"name": "vlc", "password": CHEAP}
WORLD = {"actions": ["listen"]}


@pytest.mark.parametrize(
    ("settings", "tables", "said"),
    [
        ({}, {}, []),
        ({}, {"access": [WORLD]}, ["OPEN TO THE WORLD WITHOUT TLS"]),
        ({}, {"access": [WORLD | {"networks": ["0.0.0.0/0"]}]}, ["OPEN TO THE WORLD WITHOUT TLS"]),
        ({}, {"access": [WORLD | {"networks": ["2000::/3", "10.0.0.0/8"]}]}, ["OPEN TO THE WORLD"]),
        ({}, {"access": [WORLD | {"networks": ["private", "::ffff:10.0.0.0/104"]}]}, []),
        ({"tls": "auto"}, {"access": [WORLD], "users": []}, []),
        ({}, {"access": [WORLD | {"networks": ["10.0.0.0/8"]}]}, []),
        (
            {},
            {"access": [WORLD | {"token": True}], "users": [USER]},
            ["users have passwords, but there is no TLS"],
        ),
        ({"tls": "auto"}, {"users": [USER]}, []),
        ({"trusted_proxies": "10.0.0.1, 0.0.0.0/0"}, {}, ["trusted_proxies names 0.0.0.0/0: whoever"]),
        ({"trusted_proxies": "10.0.0.0/8, fc00::/7"}, {}, []),
        ({"trusted_proxies": "10.0.0.1"}, {"users": [USER]}, []),
        ({"auth_url": "http://127.0.0.1:9/"}, {"access": [WORLD | {"external": True}]}, []),
        ({"auth_url": "http://localhost:9/"}, {}, []),
        ({"auth_url": "https://auth.example/"}, {}, []),
        ({"auth_url": "http://auth.example/"}, {}, ["auth_url is http:// to another machine"]),
    ],
)
def test_what_is_open_or_can_be_read_on_the_way_is_said_loudly_once(
    settings: dict[str, str],
    tables: dict[str, list[dict[str, object]]],
    said: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_of_openness(load(settings, {}, tables))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * len(said)
    for record, beginning in zip(caplog.records, said, strict=True):
        assert record.getMessage().startswith(beginning)

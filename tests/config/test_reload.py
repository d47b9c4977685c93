"""What a running server takes over from a configuration that has changed."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rtcserver.access.rules import DEFAULT, AccessRule
from rtcserver.config.flags import add_server_flags, rereading
from rtcserver.config.load import load
from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS, ServerConfig
from rtcserver.config.reload import LIMITS, PAGES, RELOADABLE, compare
from rtcserver.errors import ConfigError
from rtcserver.server.listening import places_of
from tests.access.test_users import CHEAP

HOME = {"HOME": "/home/ann"}


def test_nothing_changes_by_itself() -> None:
    config = load({"title": "A"}, HOME, {"rooms": {"main": {}, "side": {"instrument": "tone"}}})
    found = compare(config, config)
    assert (found.config, found.bitrates_bps, found.log_level, found.waiting) == (config, {}, None, ())
    assert not found.rules


def test_rules_and_users_are_taken_over() -> None:
    old = load({}, HOME, {})
    for tables in (
        {"access": [{"actions": ["listen"]}]},
        {"users": [{"name": "anna", "password": CHEAP}]},
    ):
        new = load({}, HOME, tables)
        found = compare(old, new)
        assert (found.rules, found.waiting) == (True, ())
        assert (found.config.access, found.config.users) == (new.access, new.users)
        assert not compare(found.config, new).rules


def test_bitrates_and_the_log_level_are_taken_over_and_others_wait() -> None:
    old = load({}, HOME, {"rooms": {"main": {}, "side": {}, "gone": {}}})
    new = load(
        {"log_level": "debug", "port": "9000"},
        HOME,
        {"rooms": {"main": {"bitrate_bps": 96_000, "device": "MONTAGE"}, "side": {"title": "B"}, "more": {}}},
    )
    found = compare(old, new)
    assert found.bitrates_bps == {"main": 96_000}
    assert found.log_level == "debug"
    assert found.waiting == ("port", "rooms.gone", "rooms.main.device", "rooms.more")
    assert found.titles == {"side": "B"}
    assert (found.config.port, found.config.log_level) == (old.port, "debug")
    assert found.config.rooms["main"].instrument.bitrate_bps == 96_000
    assert found.config.rooms["main"].instrument.device == ""
    # The next time, only what still waits is told.
    again = compare(found.config, new)
    assert (again.bitrates_bps, again.log_level, again.waiting) == ({}, None, found.waiting)


def changed(config: ServerConfig, key: str, value: Any) -> ServerConfig:
    members: dict[str, Any] = {key: value}
    return replace(config, **members)


def test_limits_and_names_are_taken_over_as_groups() -> None:
    old = load({}, HOME, {})
    for group, mark in ((LIMITS, "limits"), (PAGES, "pages")):
        for key in sorted(group):
            value: object = "10.0.0.0/8" if "addresses" in key else "a.example" if "allowed" in key else 7
            new = changed(old, key, value)
            found = compare(old, new)
            assert (found.limits, found.pages) == (mark == "limits", mark == "pages"), key
            assert found.config == new
            assert found.waiting == ()


def test_the_limits_that_are_taken_over_are_those_that_newcomers_meet() -> None:
    """Each changes what `Admission` asks for, and no other key does."""
    old = load({}, HOME, {})
    changing = {
        key
        for key in SERVER_KEYS
        if isinstance(value := getattr(old, key), int) and not isinstance(value, bool)
        if places_of(changed(old, key, value + 1)) != places_of(old)
    }
    assert changing | {"shared_addresses"} == LIMITS


def test_every_key_that_can_be_reloaded_exists() -> None:
    assert {*SERVER_KEYS, *INSTRUMENT_KEYS} >= RELOADABLE


def test_a_file_that_is_lost_does_not_bring_the_usual_rules_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_server_flags(parser)
    read = rereading(parser.parse_args([]), {})
    assert read().access == DEFAULT
    file = tmp_path / "rtcserver.toml"
    file.write_text('[[access]]\nactions = ["listen"]\ntoken = true\n')
    assert read().access == (AccessRule(("listen",), token=True),)
    file.unlink()
    with pytest.raises(ConfigError, match="there is no such file"):
        read()
    file.write_text("")
    assert read().access == DEFAULT


def test_what_listeners_are_told_of_turn_servers_is_taken_over() -> None:
    old = load({}, HOME, {"ice_servers": "turn:a", "turn_secret": "one"})
    new = load({}, HOME, {"ice_servers": "turn:b", "turn_secret": "two", "turn_lifetime_s": 600})
    found = compare(old, new)
    assert found.waiting == ()
    assert (found.config.ice_servers, found.config.turn_secret, found.config.turn_lifetime_s) == (
        "turn:b",
        "two",
        600,
    )


def test_each_reading_is_done_as_the_first_one_was() -> None:
    """The server reads in a copy of itself, so that what only a reading needs is never loaded into it."""
    asked: list[bool] = []

    def how(*_: object, required: bool) -> ServerConfig:
        asked.append(required)
        return ServerConfig()

    read = rereading(argparse.Namespace(), {}, how)
    read()
    read()
    assert asked == [False, False]

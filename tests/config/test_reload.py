"""What a running server takes over from a configuration that has changed."""

from __future__ import annotations

from rtcserver.config.load import load
from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS
from rtcserver.config.reload import RELOADABLE, compare
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
    assert found.waiting == ("port", "rooms.gone", "rooms.main.device", "rooms.more", "rooms.side.title")
    assert (found.config.port, found.config.log_level) == (old.port, "debug")
    assert found.config.rooms["main"].instrument.bitrate_bps == 96_000
    assert found.config.rooms["main"].instrument.device == ""
    # The next time, only what still waits is told.
    again = compare(found.config, new)
    assert (again.bitrates_bps, again.log_level, again.waiting) == ({}, None, found.waiting)


def test_every_key_that_can_be_reloaded_exists() -> None:
    assert {*SERVER_KEYS, *INSTRUMENT_KEYS} >= RELOADABLE
